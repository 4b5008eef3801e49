"""People who run the appliance, and programs that act for them: roles, the table of permissions, one-time codes."""
