# Ends process groups: asks, waits a second, then forces.
# usage: end_group.sh GROUP…
for group; do kill -s TERM -- "-$group" 2>/dev/null; done
for group; do
	tries=0
	while [ $tries -lt 10 ] && kill -s 0 -- "-$group" 2>/dev/null; do
		sleep 0.1 2>/dev/null || sleep 1
		tries=$((tries + 1))
	done
	kill -s KILL -- "-$group" 2>/dev/null
done
exit 0
