# Keeps a service's records on the server: lock, journal, releases.
# usage: store.sh VERB ROOT [ARGUMENT…]   ROOT is <root>/<name>; every path below is relative to it
set -eu
LC_ALL=C
umask 077
verb=$1 root=$2
shift 2
inside() {
	case "/$1/" in
	//* | */../*) echo "refused path: $1" >&2 && exit 64 ;;
	esac
}
holder() { sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' "$root/lock/owner.json" 2>/dev/null || true; }
case $verb in
lock) # RUN, owner.json on stdin; exit 75: somebody else holds it, his owner.json on stdout
	mkdir -p "$root/releases" "$root/journal" "$root/incoming"
	# others may enter (the service's own account reads its release), but not list or read records
	chmod 711 "$root" "$root/releases" "$root/incoming"
	if ! mkdir "$root/lock" 2>/dev/null && [ "$(holder)" != "$1" ]; then
		cat "$root/lock/owner.json" 2>/dev/null || true
		exit 75
	fi
	cat >"$root/lock/owner.json.part"
	mv -f "$root/lock/owner.json.part" "$root/lock/owner.json"
	: >"$root/lock/heartbeat"
	;;
beat) # RUN
	[ "$(holder)" = "$1" ] && : >"$root/lock/heartbeat"
	;;
unlock) # RUN: the run that must hold it
	[ -d "$root/lock" ] || exit 0
	held=$(holder)
	if [ -n "$held" ] && [ "$held" != "$1" ]; then
		cat "$root/lock/owner.json"
		exit 75
	fi
	rm -rf "$root/lock"
	;;
append) # PATH; on stdin their size in a line, then the lines: a cut connection leaves no half line
	inside "$1"
	read -r size
	lines=$(cat && echo x)
	lines=${lines%x}
	[ "${#lines}" -eq "$size" ] || exit 74
	printf %s "$lines" >>"$root/$1"
	;;
read) # PATH; nothing if there is none
	inside "$1"
	cat "$root/$1" 2>/dev/null || true
	;;
write) # PATH; on stdin its size in a line, then the content: a cut connection leaves the old file
	inside "$1"
	read -r size
	mkdir -p "$(dirname "$root/$1")"
	cat >"$root/$1.part"
	[ "$(wc -c <"$root/$1.part")" -eq "$size" ] || exit 74
	mv -f "$root/$1.part" "$root/$1"
	;;
folder) # PATH…: made, and open to the service's own account
	for path; do
		inside "$path"
		mkdir -p "$root/$path"
		chmod 755 "$root/$path"
	done
	;;
remove) # PATH…
	for path; do
		inside "$path"
		rm -rf "${root:?}/$path"
	done
	;;
trim) # COUNT: how many ended journals stay
	cd "$root/journal"
	# shellcheck disable=SC2012 # names are ours: digits, letters, dashes
	ls -1 | sort -r | tail -n "+$(($1 + 1))" | while read -r file; do
		tail -n 1 "$file" | grep -q '"ended"' && rm -f "$file"
	done || true
	;;
*)
	echo "unknown verb: $verb" >&2
	exit 64
	;;
esac
