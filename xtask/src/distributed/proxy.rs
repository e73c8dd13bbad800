//! A TCP proxy between the service and an engine, whose failures can be switched while connections are open.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::failure::Failure;

/// Bytes that are forwarded at once.
const CHUNK: usize = 64 * 1024;

/// What the proxy does with bytes. A switch applies to open connections too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Forwards everything.
    Pass,
    /// Delays each chunk of up to 64 KiB in each direction.
    Latency(Duration),
    /// Accepts connections and forwards nothing. What was sent meanwhile arrives after the switch to another mode.
    Blackhole,
    /// Closes each connection after this number of bytes since the switch, both directions counted together.
    CutAfter(u64),
    /// Resets connections with RST, also those that are opened later.
    Reset,
    /// Forwards nothing in one direction.
    HalfOpen(Direction),
}

/// A direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

impl Mode {
    fn stops(self, direction: Direction) -> bool {
        match self {
            Self::Blackhole => true,
            Self::HalfOpen(stopped) => stopped == direction,
            _ => false,
        }
    }
}

/// A listening proxy. Its connections end on drop.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    accepted: Arc<AtomicU64>,
    /// Ends all tasks on drop.
    _runtime: Runtime,
}

impl Proxy {
    /// Listens on a free port of the loopback interface and forwards to `server`, which is `HOST:PORT`.
    pub(crate) fn start(server: &str) -> Result<Self, Failure> {
        Self::listen(server.to_owned()).map_err(|error| {
            Failure::new(
                format!("can't start a proxy: {error}"),
                "check the limits of open files and threads",
            )
        })
    }

    fn listen(server: String) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("proxy")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let (mode, receiver) = watch::channel(Mode::Pass);
        let accepted = Arc::new(AtomicU64::new(0));
        let counter = accepted.clone();
        runtime.spawn(async move {
            // An error concerns one connection only.
            loop {
                if let Ok((client, _)) = listener.accept().await {
                    counter.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(forward(client, server.clone(), receiver.clone()));
                }
            }
        });
        Ok(Self {
            address,
            mode,
            accepted,
            _runtime: runtime,
        })
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Switches the mode of open and later connections.
    pub(crate) fn switch(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Number of accepted connections.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Both sides have closed it, or one has broken it.
    Closed,
    /// The number of bytes of [`Mode::CutAfter`] is reached.
    Cut,
    Reset,
}

async fn forward(client: TcpStream, server: String, mut mode: watch::Receiver<Mode>) {
    // Without a route to the server, the client is not connected to it.
    if mode
        .wait_for(|mode| *mode != Mode::Blackhole)
        .await
        .is_err()
    {
        return;
    }
    let current = *mode.borrow();
    let server = match current {
        Mode::Reset => None,
        _ => TcpStream::connect(server).await.ok(),
    };
    let Some(mut server) = server else {
        reset(&client);
        return;
    };
    let mut client = client;
    // Chunks are small and time matters in these tests. An error means that the connection is broken.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let budget = Budget::default();
    let end = {
        let (client_reader, client_writer) = client.split();
        let (server_reader, server_writer) = server.split();
        let to_server = pump(
            client_reader,
            server_writer,
            Direction::ToServer,
            &budget,
            mode.clone(),
        );
        let to_client = pump(
            server_reader,
            client_writer,
            Direction::ToClient,
            &budget,
            mode.clone(),
        );
        let both = async {
            match tokio::try_join!(to_server, to_client) {
                Ok(_) => End::Closed,
                Err(end) => end,
            }
        };
        tokio::select! {
            end = both => end,
            _ = mode.wait_for(|mode| *mode == Mode::Reset) => End::Reset,
        }
    };
    if end == End::Reset {
        reset(&client);
        reset(&server);
    }
}

/// Makes the kernel send RST when the stream is dropped.
fn reset(stream: &TcpStream) {
    // An error means that the connection is broken already.
    let _ = stream.set_zero_linger();
}

/// Forwards one direction until its end. An error ends both directions.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    budget: &Budget,
    mut mode: watch::Receiver<Mode>,
) -> Result<(), End> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let moving = mode.wait_for(|mode| !mode.stops(direction)).await;
        moving.map_err(|_| End::Closed)?;
        let length = tokio::select! {
            read = from.read(&mut buffer) => read.map_err(|_| End::Reset)?,
            _ = mode.changed() => continue,
        };
        let mut current = *mode.borrow();
        if let Mode::Latency(delay) = current {
            #[expect(
                clippy::disallowed_methods,
                reason = "the engines are processes, so that time is real"
            )]
            tokio::time::sleep(delay).await;
        }
        // The mode may have changed after the bytes were read.
        if current.stops(direction) {
            let moving = mode.wait_for(|mode| !mode.stops(direction)).await;
            current = *moving.map_err(|_| End::Closed)?;
        }
        if length == 0 {
            // An error means that the other side is gone.
            let _ = to.shutdown().await;
            return Ok(());
        }
        let allowed = budget.take(current, length);
        let chunk = buffer.get(..allowed).unwrap_or_default();
        to.write_all(chunk).await.map_err(|_| End::Reset)?;
        if allowed < length {
            return Err(End::Cut);
        }
    }
}

/// The bytes that a connection may still transfer, by mode.
#[derive(Debug, Default)]
struct Budget(Mutex<Option<(Mode, u64)>>);

impl Budget {
    /// Takes up to `length` bytes and returns their number.
    fn take(&self, mode: Mode, length: usize) -> usize {
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Mode::CutAfter(limit) = mode else {
            *budget = None;
            return length;
        };
        let remaining = match *budget {
            Some((same, remaining)) if same == mode => remaining,
            _ => limit,
        };
        let allowed = remaining.min(length as u64);
        *budget = Some((mode, remaining - allowed));
        usize::try_from(allowed).unwrap_or(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::*;

    /// Long enough for a slow machine.
    const LONG: Duration = Duration::from_secs(30);
    /// How long nothing must arrive.
    const SHORT: Duration = Duration::from_millis(200);

    /// A server that returns all bytes, and a proxy to it.
    fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut reader = stream.try_clone().unwrap();
                    let mut writer = stream;
                    let _ = io::copy(&mut reader, &mut writer);
                    let _ = writer.shutdown(std::net::Shutdown::Write);
                });
            }
        });
        Proxy::start(&address).unwrap()
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Sends bytes and expects them back.
    fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes)?;
        let mut returned = vec![0; bytes.len()];
        stream.read_exact(&mut returned)?;
        assert_eq!(returned, bytes);
        Ok(())
    }

    fn nothing_arrives(stream: &mut TcpStream) {
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let kind = stream.read(&mut [0; 9]).map_err(|error| error.kind());
        assert!(
            matches!(kind, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)),
            "{kind:?}"
        );
        stream.set_read_timeout(Some(LONG)).unwrap();
    }

    #[test]
    fn bytes_and_the_end_pass_in_both_directions() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        let mut writer = stream.try_clone().unwrap();
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
        let sent = bytes.clone();
        let thread = std::thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut returned = Vec::new();
        stream.read_to_end(&mut returned).unwrap();
        assert_eq!(returned, bytes);
        thread.join().unwrap();
        assert_eq!(proxy.accepted(), 1);
    }

    #[test]
    fn latency_delays_each_direction() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        exchange(&mut stream, b"fast").unwrap();
        proxy.switch(Mode::Latency(Duration::from_millis(100)));
        #[expect(
            clippy::disallowed_methods,
            reason = "the proxy is a thread, so that time is real"
        )]
        let start = Instant::now();
        exchange(&mut stream, b"slow").unwrap();
        assert!(start.elapsed() >= Duration::from_millis(200));
    }

    #[test]
    fn a_blackhole_accepts_and_forwards_nothing_until_it_ends() {
        let proxy = echo();
        let mut open = connect(&proxy);
        exchange(&mut open, b"before").unwrap();
        proxy.switch(Mode::Blackhole);
        let mut late = connect(&proxy);
        for stream in [&mut open, &mut late] {
            stream.write_all(b"during").unwrap();
            nothing_arrives(stream);
        }
        proxy.switch(Mode::Pass);
        for stream in [&mut open, &mut late] {
            let mut returned = [0; 6];
            stream.read_exact(&mut returned).unwrap();
            assert_eq!(&returned, b"during");
        }
    }

    #[test]
    fn a_connection_is_cut_after_a_number_of_bytes_since_the_switch() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        exchange(&mut stream, b"not counted").unwrap();
        proxy.switch(Mode::CutAfter(10));
        exchange(&mut stream, b"12345").unwrap();
        let _ = stream.write_all(b"6");
        assert_eq!(stream.read(&mut [0; 9]).unwrap_or(0), 0);
        // Another connection has bytes of its own.
        let mut other = connect(&proxy);
        other.write_all(b"12345678").unwrap();
        let mut returned = Vec::new();
        let _ = other.read_to_end(&mut returned);
        assert_eq!(returned, b"12");
    }

    #[test]
    fn open_and_later_connections_are_reset() {
        let proxy = echo();
        let mut open = connect(&proxy);
        exchange(&mut open, b"before").unwrap();
        proxy.switch(Mode::Reset);
        let kind = |error: io::Error| error.kind();
        let failed = open.read(&mut [0; 9]).map_err(kind);
        assert_eq!(failed, Err(ErrorKind::ConnectionReset));
        let mut late = connect(&proxy);
        let failed = late.read(&mut [0; 9]).map_err(kind);
        assert_eq!(failed, Err(ErrorKind::ConnectionReset));
        proxy.switch(Mode::Pass);
        exchange(&mut connect(&proxy), b"after").unwrap();
    }

    #[test]
    fn one_direction_of_a_half_open_connection_stops() {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let proxy = Proxy::start(&address).unwrap();
            let mut client = connect(&proxy);
            let (mut server, _) = listener.accept().unwrap();
            server.set_read_timeout(Some(LONG)).unwrap();
            exchange_halves(&mut client, &mut server);
            proxy.switch(Mode::HalfOpen(direction));
            client.write_all(b"to server").unwrap();
            server.write_all(b"to client").unwrap();
            let (stopped, moving) = match direction {
                Direction::ToServer => (&mut server, &mut client),
                Direction::ToClient => (&mut client, &mut server),
            };
            let mut received = [0; 9];
            moving.read_exact(&mut received).unwrap();
            nothing_arrives(stopped);
            proxy.switch(Mode::Pass);
            stopped.read_exact(&mut received).unwrap();
        }
    }

    /// One byte in each direction, so that the proxy has both streams.
    fn exchange_halves(client: &mut TcpStream, server: &mut TcpStream) {
        client.write_all(b"c").unwrap();
        server.read_exact(&mut [0]).unwrap();
        server.write_all(b"s").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
}
