# Paths, arguments, progress and errors, for every command. Sourced, never run.
# shellcheck shell=bash disable=SC2034 # its variables are read by the files that source it

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) # tests/cluster
cache=${KINETES_CACHE:-${HOME:?set HOME or KINETES_CACHE, a folder to keep builds and clusters in}/.cache/kinetes}
nodes=(node1 node2 node3)
api_server=10.20.0.1 # every cluster has the same addresses: its network is its own

# Prints the comment at the head of the running command.
help() { sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0"; }

# Reads [--help] [--name N] from the arguments, leaves the others in `arguments` and names all that is N's.
read_arguments() {
  name=dev arguments=()
  while [ $# -gt 0 ]; do
    case $1 in
      --help | -h) help; exit ;;
      --name) name=${2-}; shift $(($# > 1 ? 2 : 1)) ;;
      --name=*) name=${1#*=}; shift ;;
      --) shift; break ;;
      -*) fail "no such option: $1" "Options: --name N, --help; before other arguments." ;;
      *) break ;;
    esac
  done
  arguments=("$@")
  [[ $name =~ ^[a-z][a-z0-9]{0,19}$ ]] ||
    fail "not a name for a cluster: '$name'" "A letter, then up to 19 letters or digits, all small."
  state=$cache/clusters/$name
  log=$state/log
  last_log=$cache/cluster-logs/$name
  control_network=kinetes-$name # the network namespace of the control plane
}

refuse_arguments() { [ ${#arguments[@]} = 0 ] || fail "not understood: ${arguments[*]}" "See $0 --help."; }

node_network() { echo "$control_network-$1"; }

# fail MESSAGE [WHAT TO DO]
fail() {
  printf 'error: %s\n' "$1" >&2
  [ $# = 1 ] || printf '       %s\n' "${@:2}" >&2
  exit 1
}

tenths() { echo $((${EPOCHREALTIME/[.,]/} / 100000)); }
started=${KINETES_STARTED:-$(tenths)} # `up` gives it to `build`

current_step=start

# step NAME: says what begins, and the seconds since the command began.
step() {
  local passed=$(($(tenths) - started))
  current_step=$1
  printf '==> %3d.%d s  %s\n' $((passed / 10)) $((passed % 10)) "$1" >&2
}

# wait_for SECONDS WHAT LOG COMMAND...: until COMMAND succeeds; LOG is the file that tells why it does not.
wait_for() {
  local end=$((SECONDS + $1)) what=$2 where=$3
  until "${@:4}" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "gave up after $1 s: $what" "Why: see $where"
    sleep 0.2
  done
}

# render TEMPLATE KEY=VALUE...: a template with each @KEY@ replaced.
render() {
  local pair text
  text=$(<"$folder/templates/$1")
  for pair in "${@:2}"; do text=${text//"@${pair%%=*}@"/"${pair#*=}"}; done
  printf '%s\n' "$text"
}

need_root() {
  [ "$(uname)" = Linux ] || fail "needs Linux: a cluster is made of network, mount and process namespaces"
  [ "$(id -u)" = 0 ] || fail "needs root, to make namespaces and mounts" "Type: sudo --preserve-env=HOME,PATH $0"
}

# need_commands COMMAND-OR-FILE...: all of them, or a line to type.
need_commands() {
  local command missing=()
  for command in "$@"; do command -v "$command" >/dev/null || missing+=("$command"); done
  [ ${#missing[@]} = 0 ] || fail "missing: ${missing[*]}" \
    "Type: apt-get update && apt-get install -y $(sed 's/#.*//' "$folder/packages.txt" | xargs)"
}
