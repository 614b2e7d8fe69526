# What exists of a cluster, and its end. Found by cgroup, namespace and folder, never by a recorded process id alone: a
# cluster whose `up` was killed at any point is found whole.
# shellcheck shell=bash disable=SC2154 # sourced after base.sh

# One line for each thing that exists of the cluster.
remains() {
  local process tree network
  for process in $(cluster_processes); do echo "process $process: $(process_line "$process")"; done
  for network in $(existing_networks); do
    echo "network namespace $network"
    for process in $(ip netns pids "$network"); do echo "process $process in $network: $(process_line "$process")"; done
  done
  for tree in $(cgroup_trees); do [ ! -d "$tree/kinetes/$name" ] || echo "cgroup $tree/kinetes/$name"; done
  [ ! -e "$state" ] || echo "folder $state"
}

process_line() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | cut -c 1-100 || true; }

remove_cluster() {
  kill_processes
  refuse_strangers
  remove_networks
  remove_cgroup "kinetes/$name"
  remove_state
}

kill_processes() {
  local end=$((SECONDS + 30)) processes
  while processes=$(cluster_processes) && [ -n "$processes" ]; do
    # shellcheck disable=SC2086 # one word a process
    kill -KILL $processes 2>/dev/null || true
    [ $SECONDS -lt $end ] || fail "processes do not die: $(xargs <<<"$processes")" "Look at them with ps."
    sleep 0.1
  done
}

# A process that someone else started in the cluster's networks would keep them alive, and is not ours to end.
refuse_strangers() {
  local network strangers
  for network in $(existing_networks); do
    strangers=$(ip netns pids "$network" | xargs)
    [ -z "$strangers" ] || fail "not started by the cluster, but in its network $network: $strangers" \
      "End it, then run this again. Start such commands with $folder/enter: then they are the cluster's."
  done
}

# The logs stay, for who wants to know what happened.
remove_state() {
  if [ -d "$log" ]; then
    mkdir -p "$(dirname "$last_log")"
    rm -rf "$last_log"
    mv "$log" "$last_log"
    rm -rf "$last_log"/node*/containers # links to where the pods' logs were
  fi
  rm -rf "$state"
  rmdir "$(dirname "$state")" 2>/dev/null || true
}
