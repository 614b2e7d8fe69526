# What a cluster has besides Kubernetes: DNS and volumes.
# shellcheck shell=bash disable=SC2154 # sourced after base.sh

install_addons() { kubectl apply -f "$folder/addons/" >>"$log/addons.log"; }

addons_are_ready() {
  kubectl --namespace kube-system get deployments coredns local-path-provisioner --output json |
    jq --exit-status '[.items[] | .status.readyReplicas == .spec.replicas] | length == 2 and all' >/dev/null
}
