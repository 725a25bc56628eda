# Runs a command with a file of this machine as its standard input.
# usage: with_input.sh FILE COMMAND [ARGUMENT…]
input=$1
shift
exec "$@" <"$input"
