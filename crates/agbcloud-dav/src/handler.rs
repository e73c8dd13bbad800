//! One request: access, methods and headers, then `dav-server`, then what its errors cannot express.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use dav_server::{DavHandler, DavMethod, DavMethodSet, davpath::DavPath};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};

use crate::{
    access::Access,
    complete_body::CompleteBody,
    failure::Failure,
    file_system::ContextFileSystem,
    location::Location,
    locks::{self, ChangeGuard},
    propfind,
    request::{Request, RequestState},
    request_headers::{self, Destination},
    response::{self, Body},
    xml_limits,
};

/// Maximum number of bytes of the XML of a request, which is that of `dav-server`.
const MAX_XML_BYTES: usize = 65_536;

/// The owner of all locks, and the user in the properties of `dav-server`.
const PRINCIPAL: &str = "/";

/// Maximum time until the response to a GET begins. The SDK retries longer, and clients repeat the request meanwhile.
const GET_TIMEOUT: Duration = Duration::from_secs(20);

const NO_INFINITE_DEPTH: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?>"#,
    r#"<D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>"#
);

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handler(Arc<Inner>);

struct Inner {
    access: Access,
    writes: bool,
    files: ContextFileSystem,
    dav: DavHandler<Request>,
    time: fn() -> SystemTime,
}

impl Handler {
    pub(crate) fn new(
        files: ContextFileSystem,
        access: Access,
        writes: bool,
        time: fn() -> SystemTime,
    ) -> Self {
        let mut methods = DavMethodSet::none();
        for method in READ_METHODS {
            methods.add(method);
        }
        if writes {
            for method in WRITE_METHODS {
                methods.add(method);
            }
        }
        let dav = DavHandler::builder()
            .filesystem(Box::new(files.clone()))
            .methods(methods)
            .autoindex(false);
        let dav = match writes {
            true => dav.locksystem(Box::new(files.locks.clone())),
            false => dav,
        };
        Self(Arc::new(Inner {
            access,
            writes,
            files,
            dav: dav.build_handler(),
            time,
        }))
    }

    pub(crate) async fn handle<B>(&self, request: http::Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let mut has_unread_body = !request.body().is_end_stream();
        let response = self.0.respond(request, &mut has_unread_body).await;
        let mut response = response.unwrap_or_else(|failure| response::failed(&failure));
        if has_unread_body {
            // What follows on the connection is the body, not a request.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response::protect(response.headers_mut());
        let status = response.status().as_u16();
        tracing::debug!(%method, path, status, "request");
        response
    }
}

const READ_METHODS: [DavMethod; 4] = [
    DavMethod::Get,
    DavMethod::Head,
    DavMethod::Options,
    DavMethod::PropFind,
];

const WRITE_METHODS: [DavMethod; 8] = [
    DavMethod::Put,
    DavMethod::Delete,
    DavMethod::MkCol,
    DavMethod::Copy,
    DavMethod::Move,
    DavMethod::PropPatch,
    DavMethod::Lock,
    DavMethod::Unlock,
];

impl Inner {
    /// Sets `has_unread_body` to `false` once the body is read, or passed on to what reads it.
    async fn respond<B>(
        &self,
        mut request: http::Request<B>,
        has_unread_body: &mut bool,
    ) -> Result<Response<Body>, Failure>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        if let Err(response) = self.access.check(&request) {
            return Ok(*response);
        }
        let method = self.method(request.method())?;
        let tokens = request_headers::check(method, request.headers_mut())?;
        if method == DavMethod::PropFind
            && let Some(response) = limit_depth(request.headers_mut())
        {
            return Ok(response);
        }
        let path = match request.uri().path() {
            "*" => "/",
            path => path,
        };
        let path = DavPath::new(path).map_err(|_| invalid("the path of the URL is not valid"))?;
        let destination = self.destination(method, &request)?;
        protect_root(method, &path, destination.as_ref())?;
        let target = target(&path, method)?;
        if method == DavMethod::Move
            && let Some(Ok(to)) = destination.as_ref().map(|to| Location::parse(to))
            && self
                .files
                .session
                .moves
                .is_unfinished(target.as_str(), to.as_str())
        {
            // What exists at the destination is from the same move.
            request.headers_mut().remove("overwrite");
        }
        let state = RequestState::new(method, target, request.headers(), tokens, (self.time)());
        let state = Arc::new(state);
        if matches!(method, DavMethod::Get | DavMethod::Head) {
            let is_head = method == DavMethod::Head;
            let response = self.files.get(&state, request.headers(), is_head);
            return within(GET_TIMEOUT, response).await;
        }
        if method == DavMethod::Move
            && request.headers().contains_key("depth")
            && let Ok(Some(source)) = self.files.lookup(&state.target, &state).await
            && !source.is_folder
        {
            // RFC 4918 restricts the depth only for folders, and `dav-server` that of files, too.
            request.headers_mut().remove("depth");
        }
        let change = Change {
            method,
            path,
            destination,
        };
        let response = match method {
            DavMethod::Put => {
                self.check_members(&change, &state).await?;
                *has_unread_body = false;
                self.pass_on(request, state.clone()).await?
            }
            _ => {
                let mut request = read_xml(request).await?;
                // Until the response: a lock that another client gets in between would not protect what it locks. After the
                // body: one that does not end would exclude others for ever.
                let _changing = self.begin(&change)?;
                self.check_members(&change, &state).await?;
                *has_unread_body = false;
                if method == DavMethod::PropFind {
                    let body = std::mem::take(request.body_mut());
                    *request.body_mut() = propfind::prepare(body).map_err(invalid)?;
                }
                if method == DavMethod::Lock && !locks::has_small_owner(request.body()) {
                    return Err(Failure::new(
                        StatusCode::INSUFFICIENT_STORAGE,
                        "the owner of a lock has more than 1 KiB or 8 elements",
                    ));
                }
                self.pass_on(request.map(Full::new), state.clone()).await?
            }
        };
        self.remove_locks(&change, &state, response.status());
        Ok(response)
    }

    /// The path of the header `destination`, which COPY and MOVE have.
    fn destination<B>(
        &self,
        method: DavMethod,
        request: &http::Request<B>,
    ) -> Result<Option<DavPath>, Failure> {
        if !matches!(method, DavMethod::Copy | DavMethod::Move) {
            return Ok(None);
        }
        let destination = Destination::of(request.headers())?
            .ok_or_else(|| invalid("the header destination is missing"))?;
        if !self.access.is_local(&destination, request) {
            return Err(Failure::new(
                StatusCode::BAD_GATEWAY,
                "the destination is on another server: add the name of this one with --host",
            ));
        }
        let path = DavPath::new(destination.path());
        path.map(Some)
            .map_err(|_| invalid("the path of the destination is not valid"))
    }

    async fn check_members(&self, change: &Change, state: &Request) -> Result<(), Failure> {
        match self.changes_protected_members(change, state).await {
            true => Err(Failure::new(
                StatusCode::LOCKED,
                "the folder is locked: unlock it before its members are added, moved or deleted",
            )),
            false => Ok(()),
        }
    }

    /// Whether a request changes the members of a folder whose list another client has locked. `dav-server` checks only the locks
    /// of the members.
    async fn changes_protected_members(&self, change: &Change, state: &Request) -> bool {
        let locks = &self.files.locks;
        let is_protected = |path: &DavPath| locks.protect_members(&path.parent(), &state.tokens);
        let source = is_protected(&change.path);
        let destination = change.destination.as_ref().is_some_and(is_protected);
        match change.method {
            DavMethod::Delete => source,
            DavMethod::Move => source || destination,
            DavMethod::Copy => destination,
            // An existing member may change. After a failed lookup, the request fails.
            DavMethod::Put | DavMethod::MkCol | DavMethod::Lock if source => {
                matches!(self.files.lookup(&state.target, state).await, Ok(None))
            }
            _ => false,
        }
    }

    /// Registers the paths that a request changes as a whole. A PUT is registered when its body has arrived, which can take long.
    fn begin(&self, change: &Change) -> Result<Vec<ChangeGuard>, Failure> {
        let source = matches!(change.method, DavMethod::Delete | DavMethod::Move);
        let paths = source.then_some(&change.path).into_iter();
        let paths = paths.chain(&change.destination);
        let moves = change.method == DavMethod::Move;
        let read = (change.method == DavMethod::Copy).then_some(&change.path);
        let begun = self.files.locks.begin_change(paths, read, moves);
        begun.ok_or_else(|| {
            Failure::new(
                StatusCode::LOCKED,
                "another request copies, moves or deletes these files: repeat this one later",
            )
        })
    }

    /// Removes the locks of what was deleted, moved or replaced.
    fn remove_locks(&self, change: &Change, state: &Request, status: StatusCode) {
        let is_done = matches!(status, StatusCode::CREATED | StatusCode::NO_CONTENT);
        if !is_done {
            return;
        }
        if matches!(change.method, DavMethod::Delete | DavMethod::Move) {
            self.files.locks.remove(&change.path);
        }
        let replaced = status == StatusCode::NO_CONTENT && !state.is_shallow;
        if let Some(destination) = &change.destination
            && replaced
        {
            self.files.locks.remove(destination);
        }
    }

    /// The methods that a response to OPTIONS lists; `None` for those of `dav-server`, which leaves out PROPPATCH.
    fn allowed(&self, headers: &HeaderMap, is_for_server: bool) -> Option<HeaderValue> {
        let listed = headers.get(header::ALLOW)?.to_str().ok()?;
        let methods = match (is_for_server, self.writes) {
            (true, false) => "OPTIONS,GET,HEAD,PROPFIND".to_owned(),
            (true, true) => {
                "OPTIONS,GET,HEAD,PROPFIND,PROPPATCH,PUT,MKCOL,DELETE,COPY,MOVE,LOCK,UNLOCK"
                    .to_owned()
            }
            (false, true) if listed.contains("PROPFIND") => {
                listed.replacen("PROPFIND", "PROPFIND,PROPPATCH", 1)
            }
            (false, _) => return None,
        };
        HeaderValue::from_str(&methods).ok()
    }

    fn method(&self, method: &http::Method) -> Result<DavMethod, Failure> {
        let known = DavMethod::try_from(method).map_err(|_| {
            let message = format!("unknown method {method}");
            Failure::new(StatusCode::NOT_IMPLEMENTED, message)
        })?;
        if READ_METHODS.contains(&known) || (self.writes && WRITE_METHODS.contains(&known)) {
            return Ok(known);
        }
        Err(match WRITE_METHODS.contains(&known) {
            true => Failure::new(
                StatusCode::FORBIDDEN,
                "the share is read-only: start it with --write",
            ),
            false => Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{method} is not supported"),
            ),
        })
    }

    /// Lets `dav-server` respond, and replaces its response if an operation of the file system has failed.
    async fn pass_on<B>(
        &self,
        request: http::Request<B>,
        state: Request,
    ) -> Result<Response<Body>, Failure>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let is_for_server = request.uri().path() == "*";
        let answer = self
            .dav
            .handle_guarded(request, PRINCIPAL.to_owned(), state.clone());
        let answer = Box::pin(answer).await;
        if let Some(failure) = state.failure() {
            tracing::warn!(status = failure.status.as_u16(), "{}", failure.message);
            let mut failed = response::failed(&failure);
            if let Some(connection) = answer.headers().get(header::CONNECTION) {
                // The body was not read.
                failed
                    .headers_mut()
                    .insert(header::CONNECTION, connection.clone());
            }
            return Ok(failed);
        }
        if let Some(explained) = response::explained(state.method, &answer) {
            return Ok(explained);
        }
        let mut answer = answer.map(|body| response::boxed(CompleteBody::new(body, state.clone())));
        if state.method == DavMethod::Options {
            let classes = match self.writes {
                true => "1, 2",
                false => "1",
            };
            let headers = answer.headers_mut();
            headers.insert("dav", HeaderValue::from_static(classes));
            if let Some(allowed) = self.allowed(headers, is_for_server) {
                headers.insert(header::ALLOW, allowed);
            }
        }
        Ok(answer)
    }
}

/// The paths that a request changes.
struct Change {
    method: DavMethod,
    path: DavPath,
    /// Of COPY and MOVE.
    destination: Option<DavPath>,
}

fn invalid(message: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, message)
}

/// The location of the target. One that no file can have does not exist.
fn target(path: &DavPath, method: DavMethod) -> Result<Location, Failure> {
    Location::parse(path).map_err(|invalid| {
        let creates = matches!(method, DavMethod::Put | DavMethod::MkCol | DavMethod::Lock);
        match creates {
            true => Failure::of_location(invalid),
            false => Failure::new(StatusCode::NOT_FOUND, "no such file or folder"),
        }
    })
}

/// Rejects changes of the whole context, which `dav-server` would begin.
fn protect_root(
    method: DavMethod,
    path: &DavPath,
    destination: Option<&DavPath>,
) -> Result<(), Failure> {
    let is_root = |path: &DavPath| Location::parse(path) == Ok(Location::Root);
    let removes = matches!(method, DavMethod::Delete | DavMethod::Move);
    match destination.is_some_and(is_root) || (removes && is_root(path)) {
        true => Err(Failure::new(
            StatusCode::FORBIDDEN,
            "the root folder can't be deleted, moved or replaced",
        )),
        false => Ok(()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the client waits in real time; no stored data depends on it"
)]
async fn within<T>(
    time: Duration,
    response: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let response = tokio::time::timeout(time, response).await;
    response.unwrap_or_else(|_| {
        let seconds = time.as_secs();
        Err(Failure {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(time),
            message: format!("the service does not send the file within {seconds} seconds"),
        })
    })
}

/// Rejects a listing of everything below a folder. A missing depth means the members of the folder.
fn limit_depth(headers: &mut HeaderMap) -> Option<Response<Body>> {
    // `dav-server` allows it for this header.
    headers.remove("x-litmus");
    match headers.get("depth") {
        None => {
            headers.insert("depth", HeaderValue::from_static("1"));
            None
        }
        Some(depth) if depth == "infinity" => {
            let mut response = Response::new(response::full(NO_INFINITE_DEPTH));
            *response.status_mut() = StatusCode::FORBIDDEN;
            let content_type = HeaderValue::from_static("application/xml; charset=utf-8");
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, content_type);
            Some(response)
        }
        Some(_) => None,
    }
}

/// Reads the XML of a request.
async fn read_xml<B>(request: http::Request<B>) -> Result<http::Request<Bytes>, Failure>
where
    B: HttpBody<Data = Bytes>,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_XML_BYTES).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {MAX_XML_BYTES} bytes"),
        ),
        false => Failure::new(StatusCode::BAD_REQUEST, "the request ended early"),
    })?;
    let body = body.to_bytes();
    xml_limits::check(&body).map_err(invalid)?;
    Ok(http::Request::from_parts(head, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_response_that_takes_too_long_is_a_failure() {
        let done = std::future::ready(Ok(1));
        assert_eq!(within(Duration::ZERO, done).await, Ok(1));
        let never = std::future::pending::<Result<u8, Failure>>();
        let failure = within(Duration::ZERO, never).await.unwrap_err();
        assert_eq!(failure.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(failure.retry_after.is_some());
    }
}
