"""The API: programs do over HTTPS what operators do, by the same verbs, under the same permissions."""

from pysrv.api import imports, openapi, rest

ROUTES = (*rest.ROUTES, *imports.ROUTES, *openapi.ROUTES)
