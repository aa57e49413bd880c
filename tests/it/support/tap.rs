//! A wire to a target: counts who dials, and can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sallyport::drain::Drain;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub struct Tap {
    address: SocketAddr,
    dialled: watch::Receiver<usize>,
    open: Arc<AtomicUsize>,
    down: CancellationToken,
    cut: watch::Sender<usize>,
    turned_away: Arc<AtomicUsize>,
}

impl Tap {
    pub async fn before(target: SocketAddr, drain: &Drain) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (dials, dialled) = watch::channel(0);
        let (open, down, cut) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new(), watch::Sender::new(0));
        let turned_away = Arc::new(AtomicUsize::new(0));
        let turns = turned_away.clone();
        let (stopping, spawner) = (drain.stopping().clone(), drain.clone());
        let (count, cutting, is_down) = (open.clone(), cut.clone(), down.clone());
        drain.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stopping.cancelled() => return,
                    () = is_down.cancelled() => return,
                };
                let Ok((mut near, _)) = accepted else { continue };
                dials.send_modify(|count| *count += 1);
                if turns.load(Ordering::SeqCst) > 0 {
                    turns.fetch_sub(1, Ordering::SeqCst);
                    let _ = near.write_all(b"Exceeded MaxStartups\r\n").await;
                    continue;
                }
                let (count, mut cut, stopping) = (count.clone(), cutting.subscribe(), stopping.clone());
                spawner.spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    let _ = (near.set_nodelay(true), far.set_nodelay(true));
                    count.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                        () = stopping.cancelled() => {}
                    }
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, dialled, open, down, cut, turned_away }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often somebody has dialled.
    pub fn dialled(&self) -> usize {
        *self.dialled.borrow()
    }

    /// Waits until somebody has dialled so often.
    pub async fn is_dialled(&self, times: usize) {
        self.dialled.clone().wait_for(|count| *count >= times).await.unwrap();
    }

    /// How many connections stand.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The next so many who dial are sent away, as a busy `sshd` does.
    pub fn turn_away(&self, count: usize) {
        self.turned_away.store(count, Ordering::SeqCst);
    }

    /// Breaks every connection that stands.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    /// Nobody is let in any more.
    pub fn down(&self) {
        self.down.cancel();
    }
}
