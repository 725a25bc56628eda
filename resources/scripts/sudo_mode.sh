# Says what becoming root takes: root (is it already), nopasswd, password, or none and why.
LC_ALL=C
export LC_ALL
if [ "$(id -u)" = 0 ]; then
	echo root
elif ! command -v sudo >/dev/null 2>&1; then
	echo none
	echo "sudo is not installed"
elif problem=$(sudo -n true 2>&1 </dev/null); then
	echo nopasswd
else
	case $problem in
	*"password is required"* | *"assword:"*) echo password ;;
	*) echo none ;;
	esac
	printf '%s\n' "$problem"
fi
