# A cluster's cgroups: kinetes/NAME/NODE for a node's pods, kinetes/NAME/system for every process that a command of ours
# starts. A process inherits its cgroup, so that kinetes/NAME holds all of the cluster's processes and no other's.
# shellcheck shell=bash disable=SC2154 # sourced after base.sh

cgroups=/sys/fs/cgroup

# The mounted trees, one a line: a single one on cgroup v2, one for each controller on v1.
cgroup_trees() {
  local tree
  if [ -f $cgroups/cgroup.controllers ]; then
    echo $cgroups
  else
    for tree in "$cgroups"/*/; do [ ! -f "$tree/cgroup.procs" ] || echo "${tree%/}"; done
  fi
}

# The tree that cluster_processes reads.
process_tree() { if [ -f $cgroups/cgroup.controllers ]; then echo $cgroups; else echo $cgroups/pids; fi; }

need_cgroups() {
  [ -w "$(process_tree)/cgroup.procs" ] ||
    fail "cannot write to $(process_tree)" "In a container: it must be a privileged one, with cgroups mounted."
}

# make_cgroup PATH: in every tree, each level of it fit to hold pods.
make_cgroup() {
  local tree level part
  for tree in $(cgroup_trees); do
    level=$tree
    for part in ${1//\// }; do
      if [ -f "$level/cgroup.subtree_control" ] && [ "$tree" = $cgroups ]; then
        sed 's/^/+/; s/ / +/g' "$level/cgroup.controllers" >"$level/cgroup.subtree_control"
      fi
      mkdir -p "$level/$part"
      if [ -f "$level/cpuset.cpus" ] && [ "$tree" != $cgroups ]; then
        cat "$level/cpuset.cpus" >"$level/$part/cpuset.cpus"
        cat "$level/cpuset.mems" >"$level/$part/cpuset.mems"
      fi
      level+=/$part
    done
  done
}

# remove_cgroup PATH: in every tree, with all below it, and `kinetes` where no other cluster is in it. It must hold no
# process; a dead one takes a moment to leave.
remove_cgroup() {
  local tree
  for tree in $(cgroup_trees); do
    for _ in {1..100}; do
      [ -d "$tree/$1" ] || break
      find "$tree/$1" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
    rmdir "$tree/kinetes" 2>/dev/null || true
  done
}

# Moves the running command into the cluster, so that `down` ends it and all that it starts.
join_cluster() {
  local group
  group=$(process_tree)/kinetes/$name/system
  mkdir -p "$group"
  echo $$ >"$group/cgroup.procs"
}

# The cluster's processes, one a line.
cluster_processes() { find "$(process_tree)/kinetes/$name" -name cgroup.procs -exec cat {} + 2>/dev/null || true; }
