# Knocks at a port of this machine with whatever the machine has.
# usage: probe.sh http URL HOST   prints the HTTP status     probe.sh tcp HOST PORT
# exit: 0 answered, 69 nothing to knock with, else no answer
if [ "$1" = http ]; then
	if command -v curl >/dev/null 2>&1; then
		exec curl -sSk -o /dev/null -m 5 -H "Host: $3" -w '%{http_code}\n' "$2"
	elif command -v wget >/dev/null 2>&1; then
		answer=$(wget --no-check-certificate -S -O /dev/null -T 5 -t 1 --header "Host: $3" "$2" 2>&1)
		status=$(printf '%s\n' "$answer" | sed -n 's/^ *HTTP\/[0-9.]* \([0-9]*\).*/\1/p' | head -n 1)
		[ -n "$status" ] || { printf '%s\n' "$answer" | tail -n 1 >&2 && exit 1; }
		printf '%s\n' "$status"
		exit 0
	fi
elif command -v curl >/dev/null 2>&1; then
	curl -sS -m 5 --connect-timeout 5 "telnet://$2:$3" </dev/null >/dev/null
	code=$?
	# 28: connected, and then nothing was said for 5 s
	[ $code -eq 28 ] && exit 0
	exit $code
elif command -v nc >/dev/null 2>&1; then
	exec nc -z -w 5 "$2" "$3"
fi
exit 69
