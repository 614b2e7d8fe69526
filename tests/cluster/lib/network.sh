# A cluster's network: a namespace for the control plane, with a bridge, and one for each node, which is a host on it.
#
#   kinetes-N           br0 10.20.0.1, node1 node2 node3 (the bridge's ends of the links)
#   kinetes-N-node1     eth0 10.20.0.11, pods 10.244.1.0/24
#
# shellcheck shell=bash disable=SC2154 # sourced after base.sh

node_address() { echo "10.20.0.1${1#node}"; }
node_pods() { echo "10.244.${1#node}.0/24"; }

# Not `ip netns exec`: that mounts a fresh /sys, which hides the cgroups.
in_network() { nsenter --net="/run/netns/$1" "${@:2}"; }
in_control() { in_network "$control_network" "$@"; }

make_networks() {
  local node
  make_network "$control_network"
  ip -n "$control_network" link add br0 type bridge
  ip -n "$control_network" addr add "$api_server/24" dev br0
  ip -n "$control_network" link set br0 up
  ip -n "$control_network" route add 10.96.0.0/16 dev br0 # ClusterIPs: kube-proxy's rules rewrite them on the way out
  for node in "${nodes[@]}"; do attach_node "$node"; done
}

make_network() {
  ip netns add "$1"
  ip -n "$1" link set lo up
  in_network "$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

# attach_node NODE: its namespace, its link to the bridge, the routes to and from its pods.
attach_node() {
  local network other
  network=$(node_network "$1")
  make_network "$network"
  ip -n "$control_network" link add "$1" type veth peer name eth0 netns "$network"
  ip -n "$control_network" link set "$1" master br0 up
  ip -n "$control_network" route add "$(node_pods "$1")" via "$(node_address "$1")"
  ip -n "$network" addr add "$(node_address "$1")/24" dev eth0
  ip -n "$network" link set eth0 up
  ip -n "$network" route add default via "$api_server"
  for other in "${nodes[@]}"; do
    [ "$other" = "$1" ] || ip -n "$network" route add "$(node_pods "$other")" via "$(node_address "$other")"
  done
}

# The cluster's network namespaces that exist, one a line.
existing_networks() {
  find /run/netns -maxdepth 1 -regex "/run/netns/$control_network\\(-node[0-9]+\\)?" -printf '%f\n' 2>/dev/null || true
}

remove_networks() {
  local network
  for network in $(existing_networks); do
    ip netns delete "$network" 2>/dev/null || rm -f "/run/netns/$network"
  done
  # ip mounts /run/netns onto itself for its first namespace; with the last one gone that has no use.
  if [ -z "$(ls /run/netns 2>/dev/null)" ] && mountpoint --quiet /run/netns; then umount /run/netns || true; fi
}
