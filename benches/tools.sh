# What the benches of whole processes share: sourced, not run.

# Waits until the process with the admin port $1 is ready.
ready() { for _ in $(seq 600); do curl -sf "http://127.0.0.1:$1/readyz" >/dev/null && return; sleep 0.1; done; echo "nothing is ready on $1" >&2; exit 1; }
# The metric $2 of the process with the admin port $1, all series that have $3 in them together.
metric() { curl -s "http://127.0.0.1:$1/metrics" | awk -v name="$2" -v label="${3:-}" '$1 ~ "^"name"({|$)" && index($1, label) { sum += $2 } END { printf "%.0f\n", sum }'; }
# Clock ticks that processes have used, user and system.
ticks() { for pid in "$@"; do awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat"; done | awk '{ sum += $1 } END { print sum }'; }
seconds() { date +%s.%N; }
# The median of column $2 of the file $1.
median() { awk -v field="$2" '{ print $field }' "$1" | sort -n | awk '{ figures[NR] = $1 } END { print figures[int((NR + 1) / 2)] }'; }
