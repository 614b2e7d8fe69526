# Certificates, kubeconfigs, and the processes of the control plane.
# shellcheck shell=bash disable=SC2154 # sourced after base.sh

# As the administrator, also before admin.conf has its rights.
kubectl() { in_control "$built/bin/kubectl" --kubeconfig "$state/kubeconfig/super-admin.conf" "$@"; }

# start NAME NETWORK COMMAND...: in the background, with a log file of its name, in the cluster's cgroup.
start() {
  setsid nsenter --net="/run/netns/$2" "${@:3}" >>"$log/$1.log" 2>&1 </dev/null 9>&- &
}

make_certificates() {
  local who node
  mkdir -p "$state"/{pki,kubeconfig}
  kubeadm_config control >"$state/kubeadm.yaml"
  kubeadm_phase certs all --config "$state/kubeadm.yaml"
  for who in admin super-admin controller-manager scheduler; do
    kubeadm_phase kubeconfig $who --config "$state/kubeadm.yaml" --kubeconfig-dir "$state/kubeconfig"
  done
  for node in "${nodes[@]}"; do
    mkdir -p "$state/$node"
    kubeadm_config "$node" >"$state/$node/kubeadm.yaml"
    kubeadm_phase kubeconfig kubelet --config "$state/$node/kubeadm.yaml" --kubeconfig-dir "$state/$node"
  done
}

kubeadm_config() {
  render kubeadm.yaml NODE="$1" API_SERVER="$api_server" STATE="$state" VERSION="$(<"$built/version")"
}

kubeadm_phase() {
  in_control "$built/bin/kubeadm" init phase "$@" >>"$log/kubeadm.log" 2>&1 ||
    fail "kubeadm init phase $1 $2 failed" "Why: see $log/kubeadm.log"
}

start_control_plane() {
  start etcd "$control_network" etcd --data-dir "$state/etcd" --unsafe-no-fsync
  start_api_server
  wait_for 120 "the API server is ready" "$log/api-server.log" kubectl get --raw /readyz
  # kubeadm's admin.conf is of this group, which has no rights before.
  kubectl create clusterrolebinding kubeadm:cluster-admins --clusterrole=cluster-admin --group=kubeadm:cluster-admins \
    >>"$log/kubeadm.log"
  start_controller_manager
  start_scheduler
  start_control_proxy
}

start_api_server() {
  local pki=$state/pki
  render audit.yaml >"$state/audit.yaml"
  start api-server "$control_network" "$built/bin/kube-apiserver" \
    --etcd-servers=http://127.0.0.1:2379 \
    --advertise-address="$api_server" --secure-port=6443 \
    --service-cluster-ip-range=10.96.0.0/16 \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --audit-policy-file="$state/audit.yaml" --audit-log-path="$log/audit.log" \
    --client-ca-file="$pki/ca.crt" \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --kubelet-preferred-address-types=InternalIP \
    --kubelet-client-certificate="$pki/apiserver-kubelet-client.crt" \
    --kubelet-client-key="$pki/apiserver-kubelet-client.key" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
    --proxy-client-cert-file="$pki/front-proxy-client.crt" --proxy-client-key-file="$pki/front-proxy-client.key" \
    --requestheader-client-ca-file="$pki/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra-
}

start_controller_manager() {
  local pki=$state/pki kubeconfig=$state/kubeconfig/controller-manager.conf
  start controller-manager "$control_network" "$built/bin/kube-controller-manager" \
    --kubeconfig="$kubeconfig" --authentication-kubeconfig="$kubeconfig" --authorization-kubeconfig="$kubeconfig" \
    --use-service-account-credentials --root-ca-file="$pki/ca.crt" \
    --service-account-private-key-file="$pki/sa.key" \
    --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
    --cluster-cidr=10.244.0.0/16 --allocate-node-cidrs=false \
    --flex-volume-plugin-dir="$state/volume-plugins" \
    --leader-elect=false --bind-address=127.0.0.1 --node-monitor-grace-period=20s
}

start_scheduler() {
  local kubeconfig=$state/kubeconfig/scheduler.conf
  start scheduler "$control_network" "$built/bin/kube-scheduler" \
    --kubeconfig="$kubeconfig" --authentication-kubeconfig="$kubeconfig" --authorization-kubeconfig="$kubeconfig" \
    --leader-elect=false --bind-address=127.0.0.1
}

# So that ClusterIPs answer in the control network too. It borrows node1's name: with one of its own it would wait 30 s
# for a node that never comes. A /run of its own keeps iptables' lock file off the machine's.
start_control_proxy() {
  render kube-proxy.yaml NODE=node1 KUBECONFIG="$state/kubeconfig/super-admin.conf" >"$state/kube-proxy.yaml"
  # shellcheck disable=SC2016 # the inner shell expands these
  start kube-proxy "$control_network" unshare --mount sh -c 'mount -t tmpfs tmpfs /run && exec "$0" --config "$1"' \
    "$built/bin/kube-proxy" "$state/kube-proxy.yaml"
}
