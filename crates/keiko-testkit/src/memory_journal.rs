//! A journal in memory with all that a journal promises, for tests that crash thousands of times: it outlives the
//! process that a test pretends to end.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::WorkerId;
use keiko_contracts::journal::{
    Append, Durability, Epoch, Expect, Fence, Head, KillScope, NewBlob, NewEvent, Position,
    Recorded, Seq, StreamId, ViewOp, ViewRow, chain_hash,
};
use keiko_contracts::say;
use keiko_ports::journal::{CommitError, Committed, Journal, LeaseError, ReadError, ViewQuery};
use keiko_ports::shell::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The longest list of a view when a query does not say.
const LIST_MAX: usize = 1_000;

#[derive(Debug, Clone)]
struct Lease {
    /// `None` once it was given back.
    owner: Option<WorkerId>,
    fence: Fence,
    until_ms: i64,
}

/// Rows are shared between a journal and its forks; none is ever changed.
#[derive(Debug, Clone, Default)]
struct Tables {
    /// All events by position, rising.
    events: Vec<Arc<Recorded>>,
    streams: BTreeMap<StreamId, Vec<Arc<Recorded>>>,
    blobs: BTreeMap<Digest, Arc<Vec<u8>>>,
    views: BTreeMap<(&'static str, String), Arc<ViewRow>>,
    leases: BTreeMap<StreamId, Lease>,
    /// The newest kill of everything, and of each run.
    kills: BTreeMap<Option<StreamId>, (Epoch, String)>,
    epoch: u64,
    /// The last event that was there when something was committed as a barrier: what a power cut leaves.
    synced: Position,
}

/// The journal. Share it as an `Arc`; leases run out by the clock it is given.
pub struct MemoryJournal {
    tables: Arc<Mutex<Tables>>,
    clock: Arc<dyn Clock>,
    grown: watch::Sender<u64>,
}

impl MemoryJournal {
    /// An empty one.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<MemoryJournal> {
        Arc::new(MemoryJournal {
            tables: Arc::default(),
            clock,
            grown: watch::Sender::new(0),
        })
    }

    /// The same journal once more, as it is now: what is written to one is not seen in the other.
    #[must_use]
    pub fn fork(&self, clock: Arc<dyn Clock>) -> Arc<MemoryJournal> {
        let tables = Arc::new(Mutex::new(self.lock().clone()));
        Arc::new(MemoryJournal {
            tables,
            clock,
            grown: watch::Sender::new(0),
        })
    }

    /// Every event of a stream.
    #[must_use]
    pub fn events(&self, stream: &StreamId) -> Vec<Arc<Recorded>> {
        self.lock().streams.get(stream).cloned().unwrap_or_default()
    }

    /// Forgets what was committed after the last barrier, as a medium does whose power is cut. Rows of views are left:
    /// nothing is decided from them. True if something was forgotten.
    pub fn cut_power(&self) -> bool {
        let mut tables = self.lock();
        let synced = tables.synced;
        let all = tables.events.len();
        tables.events.retain(|event| event.position <= synced);
        for events in tables.streams.values_mut() {
            events.retain(|event| event.position <= synced);
        }
        tables.events.len() < all
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }
}

fn lock(tables: &Mutex<Tables>) -> MutexGuard<'_, Tables> {
    tables.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tables {
    fn head(&self, stream: &StreamId) -> (Seq, Digest) {
        self.streams
            .get(stream)
            .and_then(|events| events.last())
            .map(|event| (event.seq, event.hash))
            .unwrap_or_default()
    }

    fn next(&self, prefix: &str, after: Position) -> Option<Arc<Recorded>> {
        let from = self.events.partition_point(|event| event.position <= after);
        self.events[from..]
            .iter()
            .find(|event| event.stream.0.starts_with(prefix))
            .cloned()
    }

    fn newest_kill(&self, stream: &StreamId) -> (Epoch, String) {
        let of = |scope: Option<StreamId>| self.kills.get(&scope).cloned().unwrap_or_default();
        let (all, own) = (of(None), of(Some(stream.clone())));
        if own.0 > all.0 { own } else { all }
    }

    fn check(&self, append: &Append, planned: Seq) -> Result<(), CommitError> {
        let stream = append.stream.clone();
        if let Some(event) = append
            .events
            .iter()
            .find(|event| event.payload.len() > NewEvent::MAX_BYTES)
        {
            return Err(CommitError::TooLarge {
                what: format!("event {} of {} bytes", event.kind, event.payload.len()),
            });
        }
        for blob in &append.blobs {
            if blob.bytes.len() > NewBlob::MAX_BYTES {
                return Err(CommitError::TooLarge {
                    what: format!("blob of {} bytes", blob.bytes.len()),
                });
            }
            if Digest::of(&blob.bytes) != blob.digest {
                return Err(CommitError::Broken {
                    why: say!(
                        "blob {digest} has other bytes than its digest says",
                        digest = blob.digest
                    ),
                });
            }
        }
        if let Some(fence) = append.fence
            && !self
                .leases
                .get(&stream)
                .is_some_and(|lease| lease.fence == fence && lease.owner.is_some())
        {
            return Err(CommitError::Fenced { stream });
        }
        if let Some(seen) = append.epoch {
            let (epoch, reason) = self.newest_kill(&stream);
            if epoch > seen {
                return Err(CommitError::Killed { epoch, reason });
            }
        }
        match append.expect {
            Expect::At(expected) if expected != planned => Err(CommitError::Conflict {
                stream,
                expected,
                actual: planned,
            }),
            Expect::At(_) | Expect::Any => Ok(()),
        }
    }

    fn commit(
        &mut self,
        all: Vec<Append>,
        durability: Durability,
    ) -> Result<Committed, CommitError> {
        let mut planned: BTreeMap<StreamId, Seq> = BTreeMap::new();
        for append in &all {
            let at = planned
                .entry(append.stream.clone())
                .or_insert_with(|| self.head(&append.stream).0);
            self.check(append, *at)?;
            at.0 += append.events.len() as u64;
        }
        let mut committed = Vec::new();
        for append in all {
            for event in append.events {
                committed.push(self.write(&append.stream, event));
            }
            self.blobs.extend(
                append
                    .blobs
                    .into_iter()
                    .map(|blob| (blob.digest, Arc::new(blob.bytes))),
            );
            for op in append.views {
                match op {
                    ViewOp::Put {
                        view,
                        key,
                        sort,
                        group,
                        body,
                    } => {
                        self.views.insert(
                            (view, key.clone()),
                            Arc::new(ViewRow {
                                key,
                                sort,
                                group,
                                body,
                            }),
                        );
                    }
                    ViewOp::Delete { view, key } => {
                        self.views.remove(&(view, key));
                    }
                }
            }
        }
        if durability == Durability::Barrier {
            self.sync();
        }
        Ok(committed)
    }

    fn write(&mut self, stream: &StreamId, event: NewEvent) -> Recorded {
        let (seq, previous) = self.head(stream);
        let seq = Seq(seq.0 + 1);
        let NewEvent {
            kind,
            version,
            at,
            payload,
            head,
        } = event;
        let hash = chain_hash(&previous, stream, seq, kind, version, at, &head, &payload);
        let position = Position(self.events.last().map_or(0, |event| event.position.0) + 1);
        let recorded = Recorded {
            position,
            stream: stream.clone(),
            seq,
            kind: kind.to_owned(),
            version,
            at,
            payload,
            head,
            previous,
            hash,
        };
        let shared = Arc::new(recorded.clone());
        self.events.push(shared.clone());
        match self.streams.get_mut(stream) {
            Some(events) => events.push(shared),
            None => drop(self.streams.insert(stream.clone(), vec![shared])),
        }
        recorded
    }

    fn sync(&mut self) {
        self.synced = self
            .events
            .last()
            .map_or(Position(0), |event| event.position);
    }

    fn lease(
        &mut self,
        stream: &StreamId,
        owner: WorkerId,
        ttl_ms: i64,
        now_ms: i64,
    ) -> Result<Fence, LeaseError> {
        let there = self.leases.get(stream);
        if let Some(Lease {
            owner: Some(holder),
            until_ms,
            ..
        }) = there
            && *holder != owner
            && *until_ms > now_ms
        {
            return Err(LeaseError::Held {
                holder: *holder,
                for_ms: (until_ms - now_ms).unsigned_abs(),
            });
        }
        let fence = match there {
            Some(lease) if lease.owner == Some(owner) => lease.fence,
            Some(lease) => Fence(lease.fence.0 + 1),
            None => Fence(1),
        };
        self.leases.insert(
            stream.clone(),
            Lease {
                owner: Some(owner),
                fence,
                until_ms: now_ms.saturating_add(ttl_ms),
            },
        );
        Ok(fence)
    }

    fn kill(&mut self, scope: KillScope, reason: &str, by: &str, clock: &dyn Clock) -> Epoch {
        self.epoch += 1;
        let epoch = Epoch(self.epoch);
        let scope = match scope {
            KillScope::All => None,
            KillScope::Run(run) => Some(StreamId::run(run)),
        };
        let payload = serde_json::json!({"epoch": epoch, "reason": reason, "by": by})
            .to_string()
            .into_bytes();
        let event = NewEvent {
            kind: "killed",
            version: 1,
            at: clock.now(),
            payload,
            head: Head::default(),
        };
        self.write(&StreamId::kills(), event);
        self.sync();
        self.kills.insert(scope, (epoch, reason.to_owned()));
        epoch
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn lease(
        &self,
        stream: &StreamId,
        owner: WorkerId,
        ttl: Duration,
    ) -> Result<Fence, LeaseError> {
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let now = self.clock.now().0;
        self.lock().lease(stream, owner, ttl, now)
    }

    async fn release(&self, stream: &StreamId, fence: Fence) -> Result<(), CommitError> {
        if let Some(lease) = self
            .lock()
            .leases
            .get_mut(stream)
            .filter(|lease| lease.fence == fence)
        {
            lease.owner = None;
        }
        Ok(())
    }

    async fn holder(&self, stream: &StreamId) -> Result<Option<(WorkerId, u64)>, ReadError> {
        let now = self.clock.now().0;
        let tables = self.lock();
        let held = tables
            .leases
            .get(stream)
            .filter(|lease| lease.until_ms > now);
        Ok(held.and_then(|lease| Some((lease.owner?, (lease.until_ms - now).unsigned_abs()))))
    }

    async fn commit(
        &self,
        all: Vec<Append>,
        durability: Durability,
    ) -> Result<Committed, CommitError> {
        let committed = self.lock().commit(all, durability)?;
        self.grown.send_modify(|n| *n += 1);
        Ok(committed)
    }

    fn read(
        &self,
        stream: &StreamId,
        after: Seq,
    ) -> BoxStream<'static, Result<Recorded, ReadError>> {
        let mut found = self.events(stream);
        found.drain(..found.partition_point(|event| event.seq <= after));
        stream::iter(found.into_iter().map(|event| Ok((*event).clone()))).boxed()
    }

    fn tail(
        &self,
        prefix: &str,
        after: Position,
    ) -> BoxStream<'static, Result<Recorded, ReadError>> {
        let (prefix, tables, grown) = (
            prefix.to_owned(),
            self.tables.clone(),
            self.grown.subscribe(),
        );
        stream::unfold((after, grown), move |(after, mut grown)| {
            let (prefix, tables) = (prefix.clone(), tables.clone());
            async move {
                loop {
                    grown.mark_unchanged();
                    let next = lock(&tables).next(&prefix, after);
                    if let Some(event) = next {
                        let after = event.position;
                        return Some((Ok((*event).clone()), (after, grown)));
                    }
                    grown.changed().await.ok()?;
                }
            }
        })
        .boxed()
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        self.lock()
            .blobs
            .get(digest)
            .map(|bytes| bytes.to_vec())
            .ok_or(ReadError::MissingBlob(*digest))
    }

    async fn view_get(&self, view: &'static str, key: &str) -> Result<Option<ViewRow>, ReadError> {
        Ok(self
            .lock()
            .views
            .get(&(view, key.to_owned()))
            .map(|row| (**row).clone()))
    }

    async fn view_list(
        &self,
        view: &'static str,
        query: ViewQuery,
    ) -> Result<Vec<ViewRow>, ReadError> {
        let tables = self.lock();
        let wanted = |row: &&Arc<ViewRow>| {
            query.group.as_ref().is_none_or(|group| row.group == *group)
                && query
                    .key_prefix
                    .as_ref()
                    .is_none_or(|prefix| row.key.starts_with(prefix.as_str()))
        };
        let mut rows: Vec<ViewRow> = tables
            .views
            .iter()
            .filter(|((of, _), _)| *of == view)
            .map(|(_, row)| row)
            .filter(wanted)
            .map(|row| (**row).clone())
            .collect();
        rows.sort_by(|a, b| (a.sort, &a.key).cmp(&(b.sort, &b.key)));
        if query.newest_first {
            rows.reverse();
        }
        rows.truncate(if query.limit == 0 {
            LIST_MAX
        } else {
            query.limit as usize
        });
        Ok(rows)
    }

    async fn kill(&self, scope: KillScope, reason: &str, by: &str) -> Result<Epoch, CommitError> {
        let epoch = self.lock().kill(scope, reason, by, self.clock.as_ref());
        self.grown.send_modify(|n| *n += 1);
        Ok(epoch)
    }

    async fn epoch(&self, stream: &StreamId) -> Result<(Epoch, String), ReadError> {
        Ok(self.lock().newest_kill(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::VirtualClock;
    use keiko_contracts::time::Timestamp;

    fn event(body: &str) -> NewEvent {
        NewEvent {
            kind: "noted",
            version: 1,
            at: Timestamp(1),
            payload: body.as_bytes().to_vec(),
            head: Head::default(),
        }
    }
    fn append(stream: &str, expect: Expect) -> Append {
        let events = vec![event("{}")];
        Append {
            stream: StreamId(stream.into()),
            expect,
            fence: None,
            epoch: None,
            events,
            blobs: vec![],
            views: vec![],
        }
    }

    #[tokio::test]
    async fn all_appends_or_none_and_the_chain_holds() {
        let journal = MemoryJournal::new(VirtualClock::new());
        let two = vec![
            append("run/a", Expect::At(Seq(0))),
            append("run/b", Expect::At(Seq(7))),
        ];
        assert!(matches!(
            journal.commit(two, Durability::Lazy).await,
            Err(CommitError::Conflict { .. })
        ));
        assert!(journal.events(&StreamId("run/a".into())).is_empty());
        for n in 0..3 {
            journal
                .commit(vec![append("run/a", Expect::At(Seq(n)))], Durability::Lazy)
                .await
                .unwrap();
        }
        let mut chain = keiko_governance::chain::ChainCheck::default();
        journal
            .events(&StreamId("run/a".into()))
            .iter()
            .for_each(|event| chain.next(event.as_ref()).unwrap());
        let tailed: Vec<_> = journal
            .tail("run/", Position(1))
            .take(2)
            .map(|e| e.unwrap().seq)
            .collect()
            .await;
        assert_eq!(tailed, [Seq(2), Seq(3)]);
    }

    #[tokio::test]
    async fn a_fork_goes_its_own_way_and_a_power_cut_leaves_the_barriers() {
        let clock = VirtualClock::new();
        let journal = MemoryJournal::new(clock.clone());
        for durability in [Durability::Lazy, Durability::Barrier, Durability::Lazy] {
            journal
                .commit(vec![append("run/a", Expect::Any)], durability)
                .await
                .unwrap();
        }
        let fork = journal.fork(clock);
        assert!(fork.cut_power());
        assert!(!fork.cut_power());
        let stream = StreamId("run/a".into());
        assert_eq!(
            (journal.events(&stream).len(), fork.events(&stream).len()),
            (3, 2)
        );
        fork.commit(
            vec![append("run/a", Expect::At(Seq(2)))],
            Durability::Barrier,
        )
        .await
        .unwrap();
        assert_eq!(
            fork.read(&stream, Seq(2))
                .map(|event| event.unwrap().seq)
                .collect::<Vec<_>>()
                .await,
            [Seq(3)]
        );
        assert_eq!(journal.events(&stream).len(), 3);
    }

    #[tokio::test]
    async fn leases_run_out_and_fences_keep_the_old_holder_out() {
        let clock = VirtualClock::new();
        let journal = MemoryJournal::new(clock.clone());
        let (stream, ttl) = (StreamId("run/a".into()), Duration::from_secs(10));
        let (one, two) = (WorkerId::from_bytes([1; 5]), WorkerId::from_bytes([2; 5]));
        let first = journal.lease(&stream, one, ttl).await.unwrap();
        assert!(matches!(
            journal.lease(&stream, two, ttl).await,
            Err(LeaseError::Held { .. })
        ));
        clock.advance(ttl);
        let second = journal.lease(&stream, two, ttl).await.unwrap();
        assert!(second > first);
        let late = Append {
            fence: Some(first),
            ..append("run/a", Expect::Any)
        };
        assert_eq!(
            journal.commit(vec![late], Durability::Lazy).await,
            Err(CommitError::Fenced {
                stream: stream.clone()
            })
        );
        journal.release(&stream, second).await.unwrap();
        assert!(journal.lease(&stream, one, ttl).await.unwrap() > second);
    }

    #[tokio::test]
    async fn a_kill_refuses_what_was_judged_before_it() {
        let journal = MemoryJournal::new(VirtualClock::new());
        let run = keiko_contracts::id::RunId::from_bytes([3; 10]);
        let epoch = journal
            .kill(KillScope::Run(run), "stop it", "me")
            .await
            .unwrap();
        let stream = StreamId::run(run);
        let old = Append {
            epoch: Some(Epoch(0)),
            ..append(&stream.0, Expect::Any)
        };
        let refused = journal.commit(vec![old.clone()], Durability::Lazy).await;
        assert_eq!(
            refused,
            Err(CommitError::Killed {
                epoch,
                reason: "stop it".into()
            })
        );
        journal
            .commit(
                vec![Append {
                    epoch: Some(epoch),
                    ..old
                }],
                Durability::Lazy,
            )
            .await
            .unwrap();
        assert_eq!(
            journal
                .epoch(&StreamId("run/other".into()))
                .await
                .unwrap()
                .0,
            Epoch(0)
        );
    }
}
