#!/bin/sh
# Puts Slipway into this user's menu and on this user's PATH; the program stays in this folder.
# "install.sh remove" takes both back.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
data=${XDG_DATA_HOME:-$HOME/.local/share}
entry=$data/applications/slipway.desktop
command=$HOME/.local/bin/slipway
icon=$data/icons/hicolor/scalable/apps/slipway.svg

if [ "${1:-}" = remove ]; then
  rm -f "$entry" "$command" "$icon"
  exit
fi
mkdir -p "${entry%/*}" "${command%/*}" "${icon%/*}"
cp "$here/slipway.svg" "$icon"
ln -sf "$here/slipway" "$command"
# in a quoted Exec, and once more in every value of the file, a backslash guards these
escaped=$(printf '%s' "$here/slipway" | sed -e 's/[\\"`$]/\\\\&/g' -e 's/\\\\\\/\\\\\\\\/g' -e 's/%/%%/g')
{
  grep -v '^Exec=' "$here/slipway.desktop"
  printf 'Exec="%s"\n' "$escaped"
} >"$entry"
echo "Slipway is in the menu; “slipway” starts it in a terminal (if ~/.local/bin is on the PATH)."
