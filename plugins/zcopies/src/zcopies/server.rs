//! Answers whoever asks on a Unix socket: a line in, the running pipelines as one line of JSON out.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use gstsupport::socket;

use super::recorder::Recorder;

/// Clients at a time; more are turned away.
const CLIENTS: usize = 8;

/// Listens until the process ends. Dropped, the socket is gone from the file system.
pub(super) struct Server(PathBuf);

impl Server {
    /// Starts to listen at `path`, or at the process's own place in the user's folder for sockets.
    ///
    /// # Errors
    /// When there is no such folder, or the path cannot be used.
    pub fn start(path: Option<&Path>, recorder: &Arc<Recorder>) -> io::Result<Self> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => socket::folder()?.join(socket::name(std::process::id())),
        };
        let listener = bind(&path)?;
        let recorder = Arc::downgrade(recorder);
        std::thread::Builder::new().name("zcopies".into()).spawn(move || accept(&listener, &recorder))?;
        Ok(Self(path))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever reads the folder finds out that nobody listens.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Binds `path`; a socket that nobody listens at any more is replaced, another file is not.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && socket::is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }
}

fn accept(listener: &UnixListener, recorder: &Weak<Recorder>) {
    let clients = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming().flatten() {
        if clients.fetch_add(1, Ordering::Relaxed) >= CLIENTS {
            clients.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (recorder, left) = (recorder.clone(), Arc::clone(&clients));
        let serving = std::thread::Builder::new().name("zcopies".into()).spawn(move || {
            // A client that went away needs no answer.
            let _ = serve(client, &recorder);
            left.fetch_sub(1, Ordering::Relaxed);
        });
        if serving.is_err() {
            clients.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn serve(client: UnixStream, recorder: &Weak<Recorder>) -> io::Result<()> {
    let mut answer = client.try_clone()?;
    let mut requests = BufReader::new(client);
    let mut request = Vec::new();
    loop {
        request.clear();
        // Nobody has more to say than the end of a line.
        if io::Read::take(&mut requests, 64).read_until(b'\n', &mut request)? == 0 {
            return Ok(());
        }
        let Some(recorder) = recorder.upgrade() else { return Ok(()) };
        let mut line = serde_json::to_vec(&recorder.snapshot())?;
        line.push(b'\n');
        answer.write_all(&line)?;
    }
}
