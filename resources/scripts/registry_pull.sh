# Pulls an image from a registry with a login that leaves nothing behind.
# usage: registry_pull.sh DOCKER SOCKET REGISTRY USER REFERENCE TAG   stdin: the password, if USER is given
set -eu
docker=$1 socket=$2 registry=$3 user=$4 reference=$5 tag=$6
[ -z "$socket" ] || { DOCKER_HOST=$socket && export DOCKER_HOST; }
DOCKER_CONFIG=$(mktemp -d)
export DOCKER_CONFIG
trap 'rm -rf "$DOCKER_CONFIG"' EXIT
# sh leaves out the line above when it is ended by a signal
trap 'exit 130' HUP INT TERM PIPE
if [ -n "$user" ]; then
	said=$("$docker" login --username "$user" --password-stdin "${registry%%/*}" 2>&1) || {
		printf '%s\n' "$said" >&2
		exit 1
	}
fi
"$docker" pull "$reference"
"$docker" tag "$reference" "$tag"
