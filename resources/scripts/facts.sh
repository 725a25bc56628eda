# Prints all that Slipway needs to know of a machine before it plans: sections "@@ name", then lines.
# usage: facts.sh ROOT NAME KIND [OTHER]   paths may begin with ~/, the home of who logged in
#   OTHER: where the records may lie instead, if a colleague without root's rights deployed first
root=$1 name=$2 kind=$3 other=${4:-}
LC_ALL=C
export LC_ALL
umask 077
home=$(getent passwd "${SUDO_USER:-$(id -un)}" 2>/dev/null | cut -d: -f6)
home=${home:-$HOME}
case $root in "~/"*) root=$home/${root#"~/"} ;; esac
case $other in "~/"*) other=$home/${other#"~/"} ;; esac
if [ -n "$other" ] && [ ! -e "$root/state.json" ] && [ -d "$other/releases" ]; then root=$other; fi
section() { printf '\n@@ %s\n' "$1"; }

section system
uname -s
uname -m
hostname 2>/dev/null || uname -n
id -un
id -u
date +%s
printf '%s\n' "$root"
for file in "$root/state.json" "$root/key"; do
	if [ -e "$file" ] && [ ! -r "$file" ]; then echo unreadable && break; fi
done

section os
(. /etc/os-release && printf '%s\n' "$PRETTY_NAME") 2>/dev/null || sw_vers -productVersion 2>/dev/null

section disk
below=$root
while [ ! -d "$below" ]; do below=$(dirname "$below"); done
[ -w "$below" ] && echo writable || echo read-only
df -Pk "$below" | tail -n 1

section ports
if command -v ss >/dev/null 2>&1; then ss -Hltnp; else netstat -ltnp 2>/dev/null | grep LISTEN; fi

section key
cat "$root/key" 2>/dev/null

section state
cat "$root/state.json" 2>/dev/null

section releases
for file in "$root"/releases/*/release.json; do
	[ -f "$file" ] && cat "$file" && echo
done

section lock
if [ -d "$root/lock" ]; then
	cat "$root/lock/owner.json" 2>/dev/null || echo '{}'
	echo
	now=$(date +%s)
	beat=$(date -r "$root/lock/heartbeat" +%s 2>/dev/null || echo 0)
	echo $((now - beat))
fi

for file in "$root"/journal/*.jsonl; do
	if [ -f "$file" ] && ! tail -n 1 "$file" | grep -q '"ended"'; then
		section "journal/${file##*/}"
		cat "$file"
	fi
done

if [ "$kind" != docker ]; then
	section end
	exit 0
fi

section docker
docker=$(command -v docker 2>/dev/null)
for path in /usr/bin /usr/local/bin /snap/bin /opt/bin /var/packages/Docker/target/usr/bin \
	/var/packages/ContainerManager/target/usr/bin /share/CACHEDEV1_DATA/.qpkg/container-station/bin; do
	[ -n "$docker" ] || { [ -x "$path/docker" ] && docker=$path/docker; }
done
printf '%s\n' "$docker"
if [ -z "$docker" ]; then
	section end
	exit 0
fi
socket=""
if ! "$docker" version >/dev/null 2>&1 && [ -S "/run/user/$(id -u)/docker.sock" ]; then
	socket="unix:///run/user/$(id -u)/docker.sock"
	DOCKER_HOST=$socket
	export DOCKER_HOST
fi
printf '%s\n' "$socket"
server=$("$docker" version --format '{{json .Server}}' 2>&1 | grep -v '^null$' | tail -n 1)
printf '%s\n' "$server"
case $server in
"{"*) ;;
*) # it can't be used, and says why
	section end
	exit 0
	;;
esac

section docker-info
"$docker" info --format '{{json .SecurityOptions}}
{{json .DriverStatus}}
{{.LoggingDriver}}' 2>/dev/null
df -Pk "$("$docker" info --format '{{.DockerRootDir}}' 2>/dev/null)" 2>/dev/null | tail -n 1

section containers
failed=""
ours=$("$docker" ps -aq --no-trunc --filter "label=io.slipway.name=$name" --filter label=io.slipway.release 2>&1) || failed=$ours
# what was adopted has no label of ours: it is known by its name
named=$("$docker" ps -aq --no-trunc --filter "name=^/?$name([.].*)?\$" 2>&1) || failed=$named
# shellcheck disable=SC2086 # ids are hexadecimal words
ids=$(printf '%s\n' $ours $named | sort -u)
if [ -n "$failed" ]; then
	section failed
	printf '%s\n' "$failed"
	exit 0
fi
# shellcheck disable=SC2086
[ -z "$ids" ] || "$docker" container inspect --format '{{json .}}' $ids

section images
images=$("$docker" images -q --no-trunc --filter label=io.slipway.name | sort -u)
for id in $ids; do images="$images $("$docker" container inspect --format '{{.Image}}' "$id")"; done
# shellcheck disable=SC2086
[ -z "$images" ] || "$docker" image inspect --format \
	'{"id":{{json .Id}},"tags":{{json .RepoTags}},"layers":{{json .RootFS.Layers}},"env":{{json .Config.Env}},"labels":{{json .Config.Labels}}}' $images 2>/dev/null
section end
