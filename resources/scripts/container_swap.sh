# Lets one container take another's place, or puts everything back: the switch, as one short step
# that ends what it began even when the connection is lost halfway. Safe to run twice.
# usage: container_swap.sh DOCKER SOCKET NAME OUT OUT_NAME OUT_RESTART IN IN_RESTART GRACE START
#   OUT, IN      names or ids ("" for none); OUT, if it exists, ends stopped as OUT_NAME; IN takes NAME
#   *_RESTART    restart policies to set ("" leaves them): OUT's while stopped, IN's while serving
#   START        yes: start IN
trap '' HUP PIPE
docker=$1 socket=$2 name=$3 out=$4 out_name=$5 out_restart=$6 in=$7 in_restart=$8 grace=$9
shift 9
start=$1
[ -z "$socket" ] || { DOCKER_HOST=$socket && export DOCKER_HOST; }

# a word that is no container's name could still be the beginning of another one's id
id_of() {
	"$docker" container inspect --format '{{.Id}} {{.Name}}' "$1" 2>/dev/null | while read -r id its_name; do
		if [ "$id" = "$1" ] || [ "$its_name" = "/$1" ]; then echo "$id"; fi
	done
}
called() { "$docker" container inspect --format '{{.Name}}' "$1" 2>/dev/null; }
put_aside() { # ID NAME RESTART
	[ -n "$(called "$1")" ] || return 0
	problem=$("$docker" stop --time "$grace" "$1" 2>&1 >/dev/null) || return 1
	if [ -n "$3" ]; then problem=$("$docker" update --restart "$3" "$1" 2>&1 >/dev/null) || return 1; fi
	[ "$(called "$1")" = "/$2" ] || problem=$("$docker" rename "$1" "$2" 2>&1 >/dev/null) || return 1
}
bring_in() { # ID NAME RESTART
	[ "$(called "$1")" = "/$2" ] || problem=$("$docker" rename "$1" "$2" 2>&1 >/dev/null) || return 1
	if [ -n "$3" ]; then problem=$("$docker" update --restart "$3" "$1" 2>&1 >/dev/null) || return 1; fi
	[ "$start" != yes ] || problem=$("$docker" start "$1" 2>&1 >/dev/null) || return 1
}
problem=""
if [ -n "$in" ]; then
	found=$(id_of "$in")
	[ -n "$found" ] || { echo "no such container: $in" >&2 && exit 66; }
	in=$found
fi
[ -z "$out" ] || out=$(id_of "$out")
[ -z "$out" ] || put_aside "$out" "$out_name" "$out_restart" || { printf '%s\n' "$problem" >&2 && exit 1; }
[ -z "$in" ] || bring_in "$in" "$name" "$in_restart" || { printf '%s\n' "$problem" >&2 && exit 1; }
