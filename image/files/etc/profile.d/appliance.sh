# A shell that nobody types in for a quarter of an hour ends; a program that dies leaves no core.
ulimit -c 0
TMOUT=900
readonly TMOUT
export TMOUT
