# Keeps a service's records on the server: lock, journal, releases.
# usage: store.sh VERB ROOT TOKEN [ARGUMENT…]   ROOT is <root>/<name>; paths are relative to it
#   TOKEN is who holds the lock; whoever does not hold it changes nothing and gets exit code 75
set -eu
LC_ALL=C
umask 077
verb=$1 root=$2 token=$3
shift 3
inside() {
	case "/$1/" in
	//* | */../*) echo "refused path: $1" >&2 && exit 64 ;;
	esac
}
holder() { sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' "$root/lock/owner.json" 2>/dev/null || true; }
held() {
	[ "$(holder)" = "$token" ] && return
	cat "$root/lock/owner.json" 2>/dev/null || true
	exit 75
}
# root writes into an account's own folder: the account must be able to read it afterwards
own() { [ "$(id -u)" != 0 ] || chown "$(stat -c %u:%g "$root")" "$@"; }
take() { # FILE: its size in a line of stdin, then its content; a cut connection leaves the old file
	read -r size
	cat >"$1.part"
	[ "$(wc -c <"$1.part")" -eq "$size" ] || exit 74
	own "$1.part"
}
open_journals() {
	for file in "$root"/journal/*.jsonl; do
		if [ -f "$file" ] && ! tail -n 1 "$file" | grep -q '"ended"'; then echo "${file##*/}"; fi
	done
}
case $verb in
lock) # [OLD]: the holder whose lock is taken over; owner.json on stdin
	mkdir -p "$root"
	for path in releases journal incoming; do
		[ -d "$root/$path" ] || { mkdir -p "$root/$path" && own "$root/$path"; }
	done
	# others may enter (the service's own account reads its release), but not list or read records
	chmod 711 "$root" "$root/releases" "$root/incoming"
	# all is read before the lock is taken: it is never held by somebody who is still sending
	take "$root/.owner.$token"
	if [ "$#" -gt 0 ] && [ "$(holder)" = "$1" ] && [ -d "$root/lock" ]; then
		mv "$root/lock" "$root/.gone.$token" && rm -rf "$root/.gone.$token"
	fi
	if ! mkdir "$root/lock" 2>/dev/null; then
		rm -f "$root/.owner.$token.part"
		[ "$(holder)" != "$token" ] || exit 0
		cat "$root/lock/owner.json" 2>/dev/null || true
		exit 75
	fi
	mv -f "$root/.owner.$token.part" "$root/lock/owner.json"
	: >"$root/lock/heartbeat"
	own "$root/lock" "$root/lock/heartbeat"
	;;
beat)
	held
	: >"$root/lock/heartbeat"
	;;
unlock) # the holder's own, or a dead one's by his token
	[ -d "$root/lock" ] || exit 0
	held
	mv "$root/lock" "$root/.gone.$$"
	rm -rf "$root/.gone.$$"
	;;
look) # state.json in a line, then the journals of runs that have not ended
	held
	cat "$root/state.json" 2>/dev/null || true
	echo
	open_journals
	;;
append) # PATH, lines on stdin: all or none
	inside "$1"
	held
	take "$root/$1"
	# after a line that the disk had no room for, a new one begins
	[ ! -s "$root/$1" ] || [ -z "$(tail -c 1 "$root/$1")" ] || echo >>"$root/$1"
	cat "$root/$1.part" >>"$root/$1"
	rm -f "$root/$1.part"
	own "$root/$1"
	;;
read) # PATH; nothing if there is none
	inside "$1"
	[ ! -e "$root/$1" ] || cat "$root/$1"
	;;
write) # PATH, content on stdin
	inside "$1"
	held
	folder=$(dirname "$root/$1")
	[ -d "$folder" ] || { mkdir -p "$folder" && own "$folder"; }
	take "$root/$1"
	mv -f "$root/$1.part" "$root/$1"
	;;
folder) # PATH…: made, and open to the service's own account
	held
	for path; do
		inside "$path"
		mkdir -p "$root/$path"
		chmod 755 "$root/$path"
		own "$root/$path"
	done
	;;
remove) # PATH…
	held
	for path; do
		inside "$path"
		rm -rf "${root:?}/$path"
	done
	;;
trim) # COUNT: how many ended journals stay
	held
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
