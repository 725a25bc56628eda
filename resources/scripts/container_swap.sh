# Lets one container take another's place, or puts everything back: the switch, as one short step
# that ends what it began even when the connection is lost halfway. Safe to run twice.
# usage: container_swap.sh DOCKER SOCKET ROOT TOKEN NAME OUT OUT_NAME OUT_RESTART IN IN_RESTART THEN
#   ROOT, TOKEN  the service's records, and who holds their lock (exit 75: somebody else)
#   OUT, IN      names or ids ("" for none); OUT, if it exists, ends stopped as OUT_NAME; IN takes NAME
#   *_RESTART    restart policies to set ("" leaves them): OUT's while stopped, IN's while serving
#   THEN         start: start IN; prove: start it and see it run; leave: leave it stopped
trap '' HUP PIPE
docker=$1 socket=$2 root=$3 token=$4 name=$5 out=$6 out_name=$7 out_restart=$8 in=$9
shift 9
in_restart=$1 then=$2
[ -z "$socket" ] || { DOCKER_HOST=$socket && export DOCKER_HOST; }

fail() {
	printf '%s\n' "$1" >&2
	exit 1
}
# one switch at a time: that of a desktop whose connection was cut may still be waiting for its
# container to stop
busy=$root/switching
tries=0
until mkdir "$busy" 2>/dev/null; do
	other=$(cat "$busy/pid" 2>/dev/null)
	if [ -n "$other" ] && ! kill -0 "$other" 2>/dev/null; then rm -rf "$busy"; fi
	tries=$((tries + 1))
	[ $tries -lt 1500 ] || fail "another switch of $name is still under way"
	sleep 0.2 2>/dev/null || sleep 1
done
echo $$ >"$busy/pid"
trap 'rm -rf "$busy"' EXIT
trap 'exit 130' INT TERM
held=$(sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' "$root/lock/owner.json" 2>/dev/null)
[ "$held" = "$token" ] || exit 75

look() { # FORMAT WORD: empty if there is no such container; anything else that is wrong ends all
	said=$("$docker" container inspect --format "$1" "$2" 2>&1) && printf '%s\n' "$said" && return
	case $said in *[Nn]"o such "*) return 0 ;; esac
	printf '%s\n' "$said" >&2
	return 1
}
# a word that is no container's name could still be the beginning of another one's id
id_of() {
	found=$(look '{{.Id}} {{.Name}}' "$1") || return 1
	case $found in
	"$1 "*) echo "$1" ;;
	*" /$1") echo "${found%% *}" ;;
	esac
}
called() { look '{{.Name}}' "$1"; }
try() { problem=$("$@" 2>&1 >/dev/null) || fail "$problem"; }

if [ -n "$in" ]; then
	word=$in
	in=$(id_of "$word") || exit 1
	[ -n "$in" ] || { echo "no such container: $word" >&2 && exit 66; }
fi
[ -z "$out" ] || out=$(id_of "$out") || exit 1

if [ -n "$out" ]; then
	try "$docker" stop "$out"
	[ -z "$out_restart" ] || try "$docker" update --restart "$out_restart" "$out"
	now=$(called "$out") || exit 1
	[ "$now" = "/$out_name" ] || try "$docker" rename "$out" "$out_name"
fi
if [ -n "$in" ]; then
	now=$(called "$in") || exit 1
	[ "$now" = "/$name" ] || try "$docker" rename "$in" "$name"
	[ -z "$in_restart" ] || try "$docker" update --restart "$in_restart" "$in"
	if [ "$then" != leave ]; then try "$docker" start "$in"; fi
	if [ "$then" = prove ]; then
		sleep 1
		[ "$(look '{{.State.Running}}' "$in")" = true ] || fail "$name was started and does not run"
	fi
fi
exit 0
