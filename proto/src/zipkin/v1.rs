//! Spans of Zipkin v1, which tell kinds, sides and addresses by annotations, as spans of v2.
//!
//! One span of v1 may have been written to by both sides of a call: it becomes two of v2 with the
//! same id. Who wrote what is told by the service names of the annotations' endpoints.

use std::borrow::Cow;
use std::rc::Rc;

use super::draft::{Draft, complete};
use super::model::{Annotation, Endpoint, Kind, Span};
use super::parts::{BinaryAnnotation, Moment, Parts};
use crate::room::NoRoom;

/// The most spans of v2 that are made of one of v1: each repeats its name. What further services
/// have written is the first's.
const SPANS_MAX: usize = 8;

/// Gives to `write` the spans of v2 that the span of `draft` stands for: one for each service that
/// wrote to it.
///
/// # Errors
/// Those of `write`.
pub(super) fn split<'a>(
    draft: &mut Draft<'a>,
    mut write: impl FnMut(&Span<'a>) -> Result<(), NoRoom>,
) -> Result<(), NoRoom> {
    let Draft { span: whole, duration, v1: Parts { annotations, binary_annotations }, .. } = draft;
    let mut span = std::mem::take(whole);
    // There once, however long it is.
    let mut name = std::mem::take(&mut span.name);
    let mut split = Split {
        start: std::mem::take(&mut span.start),
        duration: *duration,
        first: Side { located: !span.local.is_unknown(), span, duration: 0 },
        others: Vec::new(),
        core: Core::default(),
    };
    annotations.iter().for_each(|one| split.annotate(Mark { time: one.time, moment: one }));
    split.infer_beginnings();
    split.set_rpc_times();
    split.set_messaging_times();
    split.tag(binary_annotations.drain(..));
    let Split { mut first, others, .. } = split;
    let mut finish = |Side { span, duration, .. }: &mut Side<'a>| {
        span.name = std::mem::take(&mut name);
        complete(span, *duration);
        write(span)?;
        name = std::mem::take(&mut span.name);
        Ok(())
    };
    finish(&mut first)?;
    others.into_iter().try_for_each(|mut side| finish(&mut side))?;
    // Its memory is for the next one.
    *whole = first.span;
    Ok(())
}

/// An annotation, or what is made of one for another time.
#[derive(Clone, Copy, Debug)]
struct Mark<'p, 'a> {
    /// Nanoseconds since 1970; 0 is not known.
    time: u64,
    moment: &'p Moment<'a>,
}

impl<'p, 'a> Mark<'p, 'a> {
    const fn endpoint(&self) -> &'p Rc<Endpoint<'a>> {
        &self.moment.endpoint
    }
}

/// The annotations that have a meaning.
#[derive(Clone, Copy, Debug, Default)]
struct Core<'p, 'a> {
    client_send: Option<Mark<'p, 'a>>,
    client_receive: Option<Mark<'p, 'a>>,
    server_receive: Option<Mark<'p, 'a>>,
    server_send: Option<Mark<'p, 'a>>,
    message_send: Option<Mark<'p, 'a>>,
    message_receive: Option<Mark<'p, 'a>>,
    wire_send: Option<Mark<'p, 'a>>,
    wire_receive: Option<Mark<'p, 'a>>,
}

impl<'p, 'a> Core<'p, 'a> {
    /// The place for an annotation of this value, and what it makes of its span.
    fn place(&mut self, value: &[u8]) -> Option<(&mut Option<Mark<'p, 'a>>, Kind)> {
        Some(match value {
            b"cs" => (&mut self.client_send, Kind::Client),
            b"cr" => (&mut self.client_receive, Kind::Client),
            b"sr" => (&mut self.server_receive, Kind::Server),
            b"ss" => (&mut self.server_send, Kind::Server),
            b"ms" => (&mut self.message_send, Kind::Producer),
            b"mr" => (&mut self.message_receive, Kind::Consumer),
            b"ws" => (&mut self.wire_send, Kind::None),
            b"wr" => (&mut self.wire_receive, Kind::None),
            _ => return None,
        })
    }
}

/// A span of v2 that is being made.
#[derive(Debug)]
struct Side<'a> {
    /// All but its end.
    span: Span<'a>,
    /// Nanoseconds; 0 is not known.
    duration: u64,
    /// Whether its local endpoint is known.
    located: bool,
}

impl<'a> Side<'a> {
    fn annotate(&mut self, mark: Mark<'_, 'a>) {
        let Mark { time, moment } = mark;
        self.span.annotations.push(Annotation { time, value: moment.value.clone() });
    }

    /// Has it last from one moment to another, as far as that is known.
    fn set_times(&mut self, begin: Mark<'_, 'a>, end: Option<Mark<'_, 'a>>) {
        self.span.start = begin.time;
        self.duration = end.map_or(0, |end| end.time.saturating_sub(begin.time));
    }
}

struct Split<'p, 'a> {
    /// Of the span of v1, in nanoseconds; 0 is not known.
    start: u64,
    duration: u64,
    first: Side<'a>,
    others: Vec<Side<'a>>,
    core: Core<'p, 'a>,
}

impl<'p, 'a> Split<'p, 'a> {
    /// The span of the service at `endpoint`.
    fn side(&mut self, endpoint: &Endpoint<'a>) -> &mut Side<'a> {
        // To a Zipkin, small letters and capitals are the same in names. Hardly ever do they differ, and
        // to compare all of a name is much faster.
        let name = &*endpoint.service_name;
        let same = |side: &Side<'_>| {
            let known = &*side.span.local.service_name;
            std::ptr::eq(known, name) || known == name || known.eq_ignore_ascii_case(name)
        };
        if !self.first.located {
            self.first.located = true;
            self.first.span.local = endpoint.clone();
        }
        if same(&self.first) {
            return &mut self.first;
        }
        match self.others.iter().position(same) {
            Some(place) => self.others.get_mut(place).unwrap_or(&mut self.first),
            None => self.fork(endpoint),
        }
    }

    /// A further span, of the service at `endpoint`.
    fn fork(&mut self, endpoint: &Endpoint<'a>) -> &mut Side<'a> {
        if self.others.len() + 1 >= SPANS_MAX {
            return &mut self.first;
        }
        let Span { trace_id, id, parent_id, debug, .. } = self.first.span;
        let local = endpoint.clone();
        let span = Span { trace_id, id, parent_id, debug, local, ..Span::default() };
        self.others.push(Side { span, duration: 0, located: true });
        self.others.last_mut().unwrap_or(&mut self.first)
    }

    /// The span of the far side, which is of another kind than that of the near one. Where the service
    /// has called itself, it is a further one.
    fn far_side(
        &mut self,
        [near, far]: [Mark<'p, 'a>; 2],
        [near_kind, far_kind]: [Kind; 2],
    ) -> &mut Side<'a> {
        let side = if near.endpoint().service_name == far.endpoint().service_name {
            self.side(near.endpoint()).span.kind = near_kind;
            self.fork(far.endpoint())
        } else {
            self.side(far.endpoint())
        };
        side.span.kind = far_kind;
        side
    }

    /// Gives an annotation to the span of its service.
    fn annotate(&mut self, mark: Mark<'p, 'a>) {
        let Some((place, kind)) = self.core.place(&mark.moment.value) else {
            return self.side(mark.endpoint()).annotate(mark);
        };
        let before = place.replace(mark);
        let side = self.side(mark.endpoint());
        if kind != Kind::None {
            side.span.kind = kind;
        }
        if let Some(before) = before {
            self.side(before.endpoint()).annotate(before);
        }
    }

    /// A side that tells of its end alone has begun with the span, when that ends at the same time.
    fn infer_beginnings(&mut self) {
        let (start, duration) = (self.start, self.duration);
        let begin = |end: Option<Mark<'p, 'a>>| {
            let whole = start > 0 && duration > 0;
            end.filter(|end| whole && start.saturating_add(duration) == end.time)
                .map(|end| Mark { time: start, ..end })
        };
        let core = &mut self.core;
        core.client_send = core.client_send.or_else(|| begin(core.client_receive));
        core.server_receive = core.server_receive.or_else(|| begin(core.server_send));
    }

    fn set_rpc_times(&mut self) {
        let core = self.core;
        let Core { client_send, client_receive, server_receive, server_send, .. } = core;
        match (client_send, server_receive) {
            (Some(send), Some(receive)) => {
                // The span's times are the client's; the server's are within them.
                self.set_times(send, client_receive);
                let server = self.far_side([send, receive], [Kind::Client, Kind::Server]);
                server.span.shared = true;
                server.set_times(receive, server_send);
            }
            (Some(send), None) if client_receive.is_some() => {
                self.set_times(send, client_receive);
            }
            (None, Some(receive)) if server_send.is_some() => {
                self.set_times(receive, server_send);
            }
            _ => self.set_incomplete_times(&core),
        }
        if let (None, Some(receive)) = (client_send, server_receive) {
            // There was no flag in v1: the side that had not made the span left its times alone.
            let alone = server_send.is_some() && self.duration == 0;
            if self.start == 0 || alone {
                self.side(receive.endpoint()).span.shared = true;
            }
        }
    }

    /// Of a call of which one moment is known, or none.
    fn set_incomplete_times(&mut self, core: &Core<'p, 'a>) {
        for side in std::iter::once(&mut self.first).chain(&mut self.others) {
            let (begin, end) = match side.span.kind {
                Kind::Client => (core.client_send, core.client_receive),
                Kind::Server => (core.server_receive, core.server_send),
                _ => continue,
            };
            if let Some(begin) = begin {
                side.span.start = begin.time;
            }
            if let Some(end) = end {
                side.annotate(end);
            }
        }
        if self.start > 0 {
            self.first.span.start = self.start;
        }
        self.first.duration = self.duration;
    }

    /// Gives the span of the service that began the times of the whole span, where it has them.
    fn set_times(&mut self, begin: Mark<'_, 'a>, end: Option<Mark<'_, 'a>>) {
        let (start, duration) = (self.start, self.duration);
        let side = self.side(begin.endpoint());
        if start > 0 && duration > 0 {
            (side.span.start, side.duration) = (start, duration);
        } else {
            side.set_times(begin, end);
        }
    }

    fn set_messaging_times(&mut self) {
        let Core { message_send, message_receive, wire_send, wire_receive, .. } = self.core;
        match (message_send, message_receive) {
            // Not meant to be in one span.
            (Some(send), Some(receive)) => {
                let consumer = self.far_side([send, receive], [Kind::Producer, Kind::Consumer]);
                consumer.span.shared = true;
                match wire_receive {
                    Some(wire) => consumer.set_times(wire, Some(receive)),
                    None => consumer.set_times(receive, None),
                }
                self.side(send.endpoint()).set_times(send, wire_send);
            }
            (Some(send), None) => self.set_times(send, wire_send),
            (None, Some(receive)) => match wire_receive {
                Some(wire) => self.set_times(wire, Some(receive)),
                None => self.set_times(receive, None),
            },
            (None, None) => {
                for wire in [wire_send, wire_receive].into_iter().flatten() {
                    self.side(wire.endpoint()).annotate(wire);
                }
            }
        }
    }

    /// Makes tags and addresses of binary annotations.
    fn tag(&mut self, all: impl Iterator<Item = BinaryAnnotation<'a>>) {
        let (mut client, mut server, mut broker) = (None, None, None);
        for BinaryAnnotation { key, value, endpoint } in all {
            let Some(value) = value else {
                match &*key {
                    b"ca" => client = endpoint,
                    b"sa" => server = endpoint,
                    _ => broker = endpoint,
                }
                continue;
            };
            let side = match &endpoint {
                Some(endpoint) => self.side(endpoint),
                None => &mut self.first,
            };
            // A mark that tells of nothing but the endpoint.
            if *key != *b"lc" || value.text() != Some(b"") {
                side.span.tags.push((key, value));
            }
        }
        self.set_rpc_addresses(client, server);
        if let Some(broker) = broker {
            self.set_broker(&broker);
        }
    }

    fn set_rpc_addresses(
        &mut self,
        client: Option<Rc<Endpoint<'a>>>,
        server: Option<Rc<Endpoint<'a>>>,
    ) {
        let unshared = |endpoint: Option<Rc<Endpoint<'a>>>| endpoint.map(Rc::unwrap_or_clone);
        let (client, server) = (unshared(client), unshared(server));
        let Core { client_send, client_receive, server_receive, server_send, .. } = self.core;
        let near_client = client_send.or(client_receive).map(|mark| mark.endpoint());
        let near_server = server_receive.or(server_send).map(|mark| mark.endpoint());
        if near_client.is_none() && near_server.is_none() {
            match (client, server) {
                (Some(client), Some(server)) => self.side(&client).span.remote = server,
                // Of a span that may be no call.
                (None, Some(server)) => self.first.span.remote = server,
                (Some(client), None) => {
                    self.first.span.kind = Kind::Server;
                    self.first.span.remote = client;
                }
                (None, None) => {}
            }
            return;
        }
        if let (Some(mut client), Some(near)) = (client, near_server)
            && client != **near
        {
            // Some servers know of their client the address alone, and name themselves.
            if client.service_name == near.service_name {
                client.service_name = Cow::Borrowed(b"");
            }
            self.side(near).span.remote = client;
        }
        if let (Some(server), Some(near)) = (server, near_client) {
            self.side(near).span.remote = server;
        }
    }

    fn set_broker(&mut self, broker: &Endpoint<'a>) {
        let Core { message_send, message_receive, .. } = self.core;
        for near in [message_send, message_receive].into_iter().flatten() {
            self.side(near.endpoint()).span.remote = broker.clone();
        }
    }
}
