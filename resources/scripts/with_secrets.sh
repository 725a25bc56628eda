# Runs a command with secrets in its environment: names and base64 values come on stdin, so that
# no value stands in any command line.
# usage: with_secrets.sh COMMAND [ARGUMENT…]   stdin: lines NAME BASE64
set -eu
while read -r name value; do
	# the x keeps line ends at the end of a value, which $(…) would drop
	plain=$(printf '%s' "$value" | base64 -d && printf x)
	export "$name=${plain%x}"
done
exec "$@" </dev/null
