//! Finds who serves a log: a group in this process, or a member of a remote group.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::Stream;

use crate::protocol::{Append, Refusal, RepeatableCall, RunOutcome};
use crate::shard::client::{Client, HoldBudget};
use crate::shard::{Group, Served};

/// Who serves a log. Remote calls are boxed: their futures are large, and would make every local call as large.
#[derive(Clone)]
pub enum Route {
    /// A group in this process.
    Local(Group),
    /// A member of a remote group.
    Remote(Client),
}

impl Route {
    /// Appends in the group; see [`Client::send_append`] for `hold`.
    ///
    /// # Errors
    /// If the group refuses it or cannot be reached.
    pub async fn append(&self, append: Append, hold: Duration) -> Result<Vec<RunOutcome>, Refusal> {
        match self {
            Self::Local(group) => group.call(append).await,
            Self::Remote(client) => Box::pin(client.send_append(append, hold)).await,
        }
    }

    /// Sends a call to the group.
    ///
    /// # Errors
    /// If the group refuses it or cannot be reached.
    pub async fn call<C: Served + RepeatableCall>(&self, call: C) -> Result<C::Answer, Refusal> {
        match self {
            Self::Local(group) => group.call(call).await,
            Self::Remote(client) => Box::pin(client.call(call)).await,
        }
    }
}

/// All routes of a process: its own groups by stream UID, and a client for each member address.
#[derive(Default)]
pub struct Routes {
    groups: Mutex<HashMap<String, Group>>,
    clients: Mutex<HashMap<String, Client>>,
    budget: HoldBudget,
}

impl Routes {
    /// The route to a log of a stream.
    ///
    /// # Errors
    /// If the catalog names no group for it, or a group of this process that does not exist.
    pub fn to_log(&self, stream: &Stream, log: &str) -> Result<Route, Refusal> {
        let unserved = || Refusal::NotReady(format!("no group serves log {log} of stream {}", stream.name));
        let group = stream.group_of_log(log).ok_or_else(unserved)?;
        match group.members.first() {
            Some(member) => Ok(Route::Remote(self.client(&member.address))),
            None => guard(&self.groups).get(&stream.uid).cloned().map(Route::Local).ok_or_else(unserved),
        }
    }

    /// Routes a stream to a group in this process.
    pub fn add_group(&self, stream_uid: &str, group: Group) {
        guard(&self.groups).insert(stream_uid.into(), group);
    }

    /// The group of a stream in this process.
    pub fn group(&self, stream_uid: &str) -> Option<Group> {
        guard(&self.groups).get(stream_uid).cloned()
    }

    /// Removes and returns a stream's group.
    pub fn remove_group(&self, stream_uid: &str) -> Option<Group> {
        guard(&self.groups).remove(stream_uid)
    }

    /// Removes and returns all groups.
    pub fn remove_groups(&self) -> Vec<Group> {
        guard(&self.groups).drain().map(|(_, group)| group).collect()
    }

    /// Drops the clients of addresses that the catalog no longer names.
    pub fn keep_clients(&self, addresses: &HashSet<String>) {
        guard(&self.clients).retain(|address, _| addresses.contains(address));
    }

    /// Bytes of requests that wait for remote groups to answer or restart.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.budget.held_bytes()
    }

    /// How many members do not answer now.
    #[must_use]
    pub fn silent_members(&self) -> usize {
        guard(&self.clients).values().filter(|client| client.outage().is_some()).count()
    }

    fn client(&self, address: &str) -> Client {
        let mut clients = guard(&self.clients);
        if let Some(client) = clients.get(address) {
            return client.clone();
        }
        let client = Client::new(address.into(), self.budget.clone());
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
    fn log_without_a_group_is_not_ready() {
        let stream = stream("orders");
        let routes = Routes::default();
        assert!(matches!(routes.to_log(&stream, "g0"), Err(Refusal::NotReady(_))));
        assert!(matches!(routes.to_log(&stream, "g1"), Err(Refusal::NotReady(_))));
    }

    #[tokio::test]
    async fn client_is_kept_while_the_catalog_names_its_address() {
        let mut stream = stream("orders");
        stream.groups[0].members = vec![Member { address: "orders-0:7400".into() }];
        let routes = Routes::default();
        let client = |routes: &Routes| match routes.to_log(&stream, "g0") {
            Ok(Route::Remote(client)) => client,
            _ => panic!("a remote route"),
        };
        let first = client(&routes);
        routes.keep_clients(&HashSet::from(["orders-0:7400".into()]));
        assert_eq!(first.session(), client(&routes).session());
        routes.keep_clients(&HashSet::new());
        assert_ne!(first.session(), client(&routes).session());
    }
}
