//! From a log to who serves it: a group in this process, or one member of a group elsewhere.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use catalog::Stream;

use crate::protocol::Refusal;
use crate::shard::client::{Client, HoldBudget};
use crate::shard::{Group, Served};

/// Who serves a log. Calls to elsewhere are boxed: their state is large, and every call would carry room for it.
#[derive(Clone)]
pub enum Route {
    /// A group in this process.
    Local(Group),
    /// A member of a group elsewhere.
    Remote(Arc<Client>),
}

impl Route {
    /// Has the group do a call.
    ///
    /// # Errors
    /// The group's refusal, or that it cannot be reached.
    pub async fn call<C: Served>(&self, call: C) -> Result<C::Answer, Refusal> {
        match self {
            Self::Local(group) => group.call(call).await,
            Self::Remote(client) => Box::pin(client.call(call)).await,
        }
    }
}

/// All routes of a process: the groups that live here, by stream UID, and one client for each member address.
#[derive(Default)]
pub struct Routes {
    groups: Mutex<HashMap<String, Group>>,
    clients: Mutex<HashMap<String, Arc<Client>>>,
    budget: HoldBudget,
}

impl Routes {
    /// The route to a log of a stream.
    ///
    /// # Errors
    /// If the catalog names nobody for it, or a group here that is not.
    pub fn to_log(&self, stream: &Stream, log: &str) -> Result<Route, Refusal> {
        let nobody = || Refusal::NotReady(format!("nobody serves log {log} of stream {}", stream.name));
        let group = stream.group_of_log(log).ok_or_else(nobody)?;
        match group.members.first() {
            Some(member) => Ok(Route::Remote(self.client(&member.address))),
            None => guard(&self.groups).get(&stream.uid).cloned().map(Route::Local).ok_or_else(nobody),
        }
    }

    /// From now on the stream's group is this one, in this process.
    pub fn add_group(&self, stream_uid: &str, group: Group) {
        guard(&self.groups).insert(stream_uid.into(), group);
    }

    /// The group of a stream that lives here.
    pub fn group(&self, stream_uid: &str) -> Option<Group> {
        guard(&self.groups).get(stream_uid).cloned()
    }

    /// Takes a stream's group out of the routes.
    pub fn remove_group(&self, stream_uid: &str) -> Option<Group> {
        guard(&self.groups).remove(stream_uid)
    }

    /// Takes all groups out of the routes.
    pub fn remove_groups(&self) -> Vec<Group> {
        guard(&self.groups).drain().map(|(_, group)| group).collect()
    }

    /// Drops the clients of addresses that the catalog no longer names.
    pub fn keep_clients(&self, addresses: &HashSet<String>) {
        guard(&self.clients).retain(|address, _| addresses.contains(address));
    }

    /// How many bytes of requests wait for groups elsewhere to answer or restart.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.budget.held_bytes()
    }

    fn client(&self, address: &str) -> Arc<Client> {
        let mut clients = guard(&self.clients);
        if let Some(client) = clients.get(address) {
            return client.clone();
        }
        let client = Arc::new(Client::new(address.into(), self.budget.clone()));
        clients.insert(address.into(), client.clone());
        client
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::stream;
    use catalog::Member;

    #[test]
    fn log_that_nobody_serves_is_not_ready() {
        let stream = stream("orders");
        let routes = Routes::default();
        assert!(matches!(routes.to_log(&stream, "g0"), Err(Refusal::NotReady(_))));
        assert!(matches!(routes.to_log(&stream, "g1"), Err(Refusal::NotReady(_))));
    }

    #[tokio::test]
    async fn client_is_kept_as_long_as_the_catalog_names_its_address() {
        let mut stream = stream("orders");
        stream.groups[0].members = vec![Member { address: "orders-0:7400".into() }];
        let routes = Routes::default();
        let client = |routes: &Routes| match routes.to_log(&stream, "g0") {
            Ok(Route::Remote(client)) => client,
            _ => panic!("a remote route"),
        };
        let first = client(&routes);
        routes.keep_clients(&HashSet::from(["orders-0:7400".into()]));
        assert!(Arc::ptr_eq(&first, &client(&routes)));
        routes.keep_clients(&HashSet::new());
        assert!(!Arc::ptr_eq(&first, &client(&routes)));
    }
}
