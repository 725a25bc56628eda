# Takes a file from stdin, whole or not at all.
# usage: receive.sh take PART BYTES SHA256 DEST MODE   receive.sh drop PART
# exit: 65 damaged, 66 no such folder, 73 not writable or is a folder, 74 not all arrived, 69 nothing to hash with
LC_ALL=C
export LC_ALL
umask 077
# whoever listened may be gone: what is left behind must go all the same
trap '' PIPE
verb=$1 part=$2
hash() { # openssl first: it uses the processor's own instructions, up to five times as fast
	if command -v openssl >/dev/null 2>&1; then
		openssl dgst -sha256 -r
	elif command -v sha256sum >/dev/null 2>&1; then
		sha256sum
	elif command -v shasum >/dev/null 2>&1; then
		shasum -a 256
	else
		echo "neither sha256sum nor shasum nor openssl" >&2
		exit 69
	fi
}
case $verb in
take)
	folder=$(dirname -- "$part")
	[ -d "$folder" ] || { echo "no such folder: $folder" >&2; exit 66; }
	[ -w "$folder" ] || { echo "not writable: $folder" >&2; exit 73; }
	[ ! -d "$5" ] || { echo "is a folder: $5" >&2; exit 73; }
	trap 'rm -f -- "$part"' EXIT
	trap 'exit 130' HUP INT TERM
	cat >"$part" || exit 74
	[ "$(wc -c <"$part")" -eq "$3" ] || { echo "not all arrived" >&2; exit 74; }
	sum=$(hash <"$part") || exit
	[ "${sum%% *}" = "$4" ] || { echo "its SHA-256 is ${sum%% *} there and $4 here" >&2; exit 65; }
	chmod -- "$6" "$part" && mv -f -- "$part" "$5" || exit 73
	;;
drop)
	rm -f -- "$part"
	;;
esac
