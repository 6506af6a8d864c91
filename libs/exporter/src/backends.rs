//! The addresses of a backend, each with its connections: one for all requests, or all in turn.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Builder, Client};
use tokio::time::Instant;

use crate::{connect::Connector, payload::Payload, resolve::Names};

/// Connections to one address.
pub(crate) type Pool = Client<Connector, Payload>;

/// How often the name is resolved again: backends that are added get their share by then.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);

/// How soon at the earliest, after a connection has failed.
const RESOLVE_AGAIN: Duration = Duration::from_secs(1);

/// For how long an address is asked only if no other is left, after it has failed.
const AVOID_FOR: Duration = Duration::from_secs(10);

/// Addresses that requests are spread over at most. A name has more by mistake only.
const ADDRESSES_MAX: usize = 256;

/// Which of a backend's addresses gets a request.
pub(crate) enum Balance {
    /// One that answers, for as long as it does.
    PickFirst,
    /// All in turn, as these names say.
    RoundRobin(Arc<dyn Names>),
}

/// The connections to a backend.
pub(crate) struct Backends {
    builder: Builder,
    connector: Connector,
    balance: Balance,
    state: Mutex<State>,
}

struct State {
    members: Vec<Member>,
    /// Where the next request begins to look.
    turn: usize,
    /// When to resolve the name again.
    resolve_at: Option<Instant>,
}

struct Member {
    /// None: whichever the connector finds.
    address: Option<IpAddr>,
    pool: Pool,
    /// It has failed, and is not asked until then if another is left.
    avoid_until: Option<Instant>,
}

/// A member that may get a request.
pub(crate) struct Choice<'a> {
    backends: &'a Backends,
    address: Option<IpAddr>,
    pool: Pool,
    end: RequestEnd,
}

/// What became of a request to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestEnd {
    /// There was none.
    Unused,
    /// It is under way, or was given up.
    Silence,
    Failure,
    Answer,
}

impl Backends {
    pub(crate) fn new(builder: Builder, connector: Connector, balance: Balance) -> Self {
        let members = match balance {
            Balance::PickFirst => {
                let pool = builder.build(connector.clone());
                vec![Member { address: None, pool, avoid_until: None }]
            }
            Balance::RoundRobin(_) => Vec::new(),
        };
        let state = Mutex::new(State { members, turn: 0, resolve_at: None });
        Self { builder, connector, balance, state }
    }

    /// Whom to ask with a request to `uri`, one after the other until one can be reached.
    ///
    /// # Errors
    /// When the name does not resolve, and never has.
    pub(crate) async fn choices(&self, uri: &Uri) -> Result<Vec<Choice<'_>>, String> {
        if let Balance::RoundRobin(names) = &self.balance {
            self.resolve(names.as_ref(), uri).await?;
        }
        let now = Instant::now();
        let mut state = self.state();
        state.turn = state.turn.wrapping_add(1);
        let begin = state.turn % state.members.len().max(1);
        let (after, before) = (state.members.iter().skip(begin), state.members.iter().take(begin));
        let mut members: Vec<&Member> = after.chain(before).collect();
        // Stable: those that have failed come last, in turn too.
        members.sort_by_key(|member| member.avoid_until.is_some_and(|until| until > now));
        let choice = |member: &Member| Choice {
            backends: self,
            address: member.address,
            pool: member.pool.clone(),
            end: RequestEnd::Unused,
        };
        Ok(members.into_iter().map(choice).collect())
    }

    async fn resolve(&self, names: &dyn Names, uri: &Uri) -> Result<(), String> {
        {
            let mut state = self.state();
            let now = Instant::now();
            if state.resolve_at.is_some_and(|at| at > now) && !state.members.is_empty() {
                return Ok(());
            }
            // Others go on with what there is meanwhile.
            state.resolve_at = Some(now + RESOLVE_EVERY);
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let found = match host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![address]),
            Err(_) => names.lookup(host.to_owned()).await,
        };
        let mut state = self.state();
        match found {
            Ok(addresses) if !addresses.is_empty() => self.take(&mut state, addresses),
            // A name server that is away does not change where the backends are.
            _ if !state.members.is_empty() => {}
            Ok(_) => return Err(format!("`{host}` has no address")),
            Err(error) => return Err(format!("`{host}` cannot be resolved: {error}")),
        }
        Ok(())
    }

    /// Keeps the members that are still there, and their connections.
    fn take(&self, state: &mut State, mut addresses: Vec<IpAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        state
            .members
            .retain(|member| member.address.is_some_and(|address| addresses.contains(&address)));
        for address in addresses {
            if state.members.iter().all(|member| member.address != Some(address)) {
                let pool = self.pool(Some(address));
                state.members.push(Member { address: Some(address), pool, avoid_until: None });
            }
        }
    }

    fn pool(&self, address: Option<IpAddr>) -> Pool {
        self.builder.build(match address {
            None => self.connector.clone(),
            Some(address) => self.connector.to(address),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Choice<'_> {
    /// Sends `request`; [`answered`](Self::answered) is to be called when the answer is there.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn send(
        &mut self,
        request: Request<Payload>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        self.end = RequestEnd::Silence;
        let answer = self.pool.request(request).await;
        if answer.is_err() {
            self.end = RequestEnd::Failure;
        }
        answer
    }

    /// All of the answer is there, or an end to it.
    pub(crate) const fn answered(&mut self, whole: bool) {
        self.end = if whole { RequestEnd::Answer } else { RequestEnd::Failure };
    }
}

impl Drop for Choice<'_> {
    fn drop(&mut self) {
        if self.end == RequestEnd::Unused {
            return;
        }
        let (now, backends) = (Instant::now(), self.backends);
        let mut state = backends.state();
        let State { members, resolve_at, .. } = &mut *state;
        let Some(member) = members.iter_mut().find(|one| one.address == self.address) else {
            return;
        };
        if self.end == RequestEnd::Answer {
            member.avoid_until = None;
            return;
        }
        member.avoid_until = Some(now + AVOID_FOR);
        *resolve_at = resolve_at.map(|at| at.min(now + RESOLVE_AGAIN));
        if self.end == RequestEnd::Silence {
            // The connection may be dead without anybody having said so: the next request makes a new
            // one. Requests that others have under way on the old one go on.
            member.pool = backends.pool(member.address);
        }
    }
}

#[cfg(test)]
mod tests;
