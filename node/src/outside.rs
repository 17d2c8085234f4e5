//! Ask a server outside over HTTP or HTTPS, within limits of time and bytes.

use bytes::Bytes;
use countersign_proof::limits::NOTE_BYTES_MAX;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For connection, handshake and answer together.
const DEADLINE: Duration = Duration::from_secs(10);
/// Where systems keep the authorities they trust: Debian and its kin, Fedora and its kin, Alpine.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// An address of a server outside.
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What it answered.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    /// The content type; empty when there is none.
    pub(crate) kind: String,
    pub(crate) body: String,
}

impl Endpoint {
    /// Reads `http(s)://host[:port][/path][?query]`. For https it needs the certificates to trust: those of `authorities`,
    /// or those of the system. Errs with one sentence that names the address.
    pub(crate) fn parse(url: &str, authorities: Option<&Path>) -> Result<Endpoint, String> {
        let wrong = |reason: String| format!("{url:?}: {reason}");
        let uri: Uri = url.parse().map_err(|e| wrong(format!("{e}")))?;
        let authority = uri.authority().ok_or_else(|| wrong("no host".into()))?;
        if authority.as_str().contains('@') {
            return Err(wrong("has a user; give scheme, host, port and path alone".into()));
        }
        let host = authority.host().to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("http") if authorities.is_some() => return Err(wrong("authorities are for https".into())),
            Some("http") => (None, 80),
            Some("https") => (Some(tls(&host, authorities).map_err(wrong)?), 443),
            _ => return Err(wrong("need http:// or https://".into())),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Endpoint { host, port: authority.port_u16().unwrap_or(port), path, tls })
    }

    /// The address of a path under this one.
    pub(crate) fn under(self, more: &str) -> Endpoint {
        Endpoint { path: format!("{}{more}", self.path.trim_end_matches('/')), ..self }
    }

    /// Whether it is asked over https.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether what is said cannot be changed on its way: over https, or within this machine.
    pub(crate) fn is_private(&self) -> bool {
        self.is_secure() || ["localhost", "127.0.0.1", "[::1]"].contains(&&self.host[..])
    }

    /// Posts and gives the answer, whatever its code is; errs when there is none within ten seconds.
    pub(crate) async fn post(&self, body: String) -> Result<Answered, String> {
        self.ask(Method::POST, body, NOTE_BYTES_MAX).await
    }

    /// Gets what is there, of at most so many bytes; errs when there is no answer within ten seconds.
    pub(crate) async fn get(&self, bytes_max: usize) -> Result<Answered, String> {
        self.ask(Method::GET, String::new(), bytes_max).await
    }

    async fn ask(&self, method: Method, body: String, bytes_max: usize) -> Result<Answered, String> {
        let request = Request::builder()
            .method(method)
            .uri(&self.path)
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| e.to_string())?;
        let answered = tokio::time::timeout(DEADLINE, self.connect_and_send(request, bytes_max)).await;
        answered.unwrap_or_else(|_| Err(format!("no answer within {} seconds", DEADLINE.as_secs())))
    }

    async fn connect_and_send(&self, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Answered, String> {
        // An IPv6 address stands in brackets in a URL, and without them in a socket's address.
        let host = self.host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, self.port)).await.map_err(|e| e.to_string())?;
        match &self.tls {
            None => send(stream, request, bytes_max).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(|e| e.to_string())?;
                send(stream, request, bytes_max).await
            }
        }
    }
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Answered, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.to_owned();
        let body = Limited::new(response.into_body(), bytes_max).collect().await;
        let body = body.map_err(|e| format!("the answer: {e}"))?.to_bytes();
        let body = String::from_utf8(body.to_vec()).map_err(|_| "the answer is not UTF-8".to_owned())?;
        Ok(Answered { status, kind, body })
    };
    // The connection is driven here and ends here: no task outlives the request.
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            Err(error) => Err(error.to_string()),
            Ok(()) => exchange.await,
        },
    }
}

fn tls(host: &str, authorities: Option<&Path>) -> Result<(TlsConnector, ServerName<'static>), String> {
    let system = || SYSTEM_AUTHORITIES.iter().map(PathBuf::from).find(|path| path.exists());
    let none =
        "https needs certificates to trust, and this system has none in a usual place: give `authorities`, a PEM file";
    let file = authorities.map(Path::to_owned).or_else(system).ok_or(none)?;
    let wrong = |reason: String| format!("{}: {reason}", file.display());
    let pem = std::fs::read(&file).map_err(|e| wrong(e.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        // A bundle of the system may hold one that this library cannot use; the others serve all the same.
        roots.add(certificate).ok();
    }
    if roots.is_empty() {
        return Err(wrong("no certificate of an authority in it".into()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|e| e.to_string())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::ServerConfig;
    use rustls_pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    #[test]
    fn a_url_is_read_or_refused_with_the_reason() {
        let read = |url: &str| Endpoint::parse(url, None).map(|endpoint| endpoint.under("/add-checkpoint"));
        let endpoint = read("http://127.0.0.1:7002").expect("a URL");
        assert_eq!((&endpoint.host[..], endpoint.port, &endpoint.path[..]), ("127.0.0.1", 7002, "/add-checkpoint"));
        let endpoint = read("http://[::1]/prefix/w1/").expect("a URL");
        assert_eq!((&endpoint.host[..], endpoint.port, &endpoint.path[..]), ("[::1]", 80, "/prefix/w1/add-checkpoint"));
        for (url, says) in [
            ("witness.example", "http:// or https://"),
            ("ftp://witness.example", "http:// or https://"),
            ("http://user@witness.example", "a user"),
            ("/add-checkpoint", "no host"),
        ] {
            let refusal = read(url).err().expect(url);
            assert!(refusal.contains(says) && refusal.contains(url), "{refusal}");
        }
    }

    #[test]
    fn https_without_certificates_to_trust_is_refused_at_the_start() {
        let folder = std::env::temp_dir().join(format!("countersign-authorities-{}", std::process::id()));
        std::fs::write(&folder, "no certificate").expect("written");
        let empty = Endpoint::parse("https://witness.example", Some(&folder)).err().expect("refused");
        std::fs::remove_file(&folder).expect("there");
        assert!(empty.contains("no certificate of an authority"), "{empty}");
        let missing = Endpoint::parse("https://witness.example", Some(&folder)).err().expect("refused");
        assert!(missing.contains("No such file"), "{missing}");
    }

    /// Answers one request, over this acceptor or in plain, with these bytes; its port.
    async fn answering(answer: Vec<u8>, tls: Option<TlsAcceptor>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            match tls {
                None => converse(stream, &answer).await,
                // A client that does not trust us goes away in the handshake.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, &answer).await;
                    }
                }
            }
        });
        port
    }

    async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\nold 0\n") {
            assert!(stream.read_buf(&mut request).await.expect("a request") > 0, "all of it");
        }
        assert!(request.starts_with(b"POST /w/add-checkpoint HTTP/1.1\r\n"));
        // The client may have enough before the end.
        drop(stream.write_all(answer).await);
        drop(stream.shutdown().await);
    }

    async fn posted(answer: &[u8]) -> Result<(u16, String, String), String> {
        let port = answering(answer.to_vec(), None).await;
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}/w"), None).expect("a URL");
        let endpoint = endpoint.under("/add-checkpoint");
        endpoint.post("old 0\n".into()).await.map(|posted| (posted.status.as_u16(), posted.kind, posted.body))
    }

    #[tokio::test]
    async fn an_answer_is_taken_whole_within_its_bounds_or_not_at_all() {
        let conflict = b"HTTP/1.1 409 Conflict\r\ncontent-type: text/x.tlog.size\r\ncontent-length: 2\r\n\r\n7\n";
        assert_eq!(posted(conflict).await, Ok((409, "text/x.tlog.size".into(), "7\n".into())));
        let unframed = b"HTTP/1.1 200 OK\r\n\r\nline\n";
        assert_eq!(posted(unframed).await, Ok((200, String::new(), "line\n".into())));
        let endless = [&unframed[..], &vec![b'a'; NOTE_BYTES_MAX]].concat();
        for wrong in
            [&b""[..], b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\n\r\n\xff", &endless, &conflict[..conflict.len() - 1]]
        {
            posted(wrong).await.expect_err("no answer");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_witness_is_left_after_ten_seconds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let silence = Endpoint::parse(&url, None).expect("a URL").post(String::new()).await.err();
        assert_eq!(silence, Some("no answer within 10 seconds".into()));
    }

    #[tokio::test]
    async fn https_is_spoken_with_who_is_certified_by_a_trusted_authority_alone() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let file = std::env::temp_dir().join(format!("countersign-authority-{}.pem", std::process::id()));
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ours")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("they belong together");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        for (host, pem, trusted) in [
            ("localhost", made.cert.pem(), true),
            ("127.0.0.1", made.cert.pem(), false),
            ("localhost", stranger.cert.pem(), false),
        ] {
            std::fs::write(&file, &pem).expect("written");
            let port = answering(b"HTTP/1.1 200 OK\r\n\r\nline\n".to_vec(), Some(acceptor.clone())).await;
            let endpoint = Endpoint::parse(&format!("https://{host}:{port}/w"), Some(&file)).expect("a URL");
            let endpoint = endpoint.under("/add-checkpoint");
            let body = endpoint.post("old 0\n".into()).await.map(|posted| posted.body);
            assert_eq!(body.is_ok(), trusted, "{host}: {body:?}");
        }
        std::fs::remove_file(&file).expect("there");
    }
}
