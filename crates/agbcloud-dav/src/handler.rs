//! One request: access, methods and headers, then `dav-server`, then what its errors cannot express.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use bytes::{Buf, Bytes};
use dav_server::{DavHandler, DavMethod, DavMethodSet, davpath::DavPath};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};

use crate::{
    access::Access,
    failure::Failure,
    file_system::ContextFileSystem,
    location::Location,
    locks::ExpiringLocks,
    request::{Request, RequestState},
    response::{self, Body},
    xml_depth,
};

/// Maximum number of bytes of the XML of a request, which is that of `dav-server`.
const MAX_XML_BYTES: usize = 65_536;

/// The owner of all locks, and the user in the properties of `dav-server`.
const PRINCIPAL: &str = "/";

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
        locks: ExpiringLocks,
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
            true => dav.locksystem(Box::new(locks)),
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
        let response = match self.0.respond(request).await {
            Ok(response) => response,
            Err(failure) => response::failed(&failure),
        };
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
    async fn respond<B>(&self, mut request: http::Request<B>) -> Result<Response<Body>, Failure>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        if let Err(response) = self.access.check(&request) {
            return Ok(*response);
        }
        let method = self.method(request.method())?;
        check_headers(method, request.headers())?;
        if method == DavMethod::PropFind
            && let Some(response) = limit_depth(request.headers_mut())
        {
            return Ok(response);
        }
        protect_root(method, &request)?;
        let target = match request.uri().path() {
            "*" => Location::Root,
            path => target(path, method)?,
        };
        let state = RequestState::new(method, target, request.headers(), (self.time)());
        let state = Arc::new(state);
        match method {
            DavMethod::Get | DavMethod::Head => {
                let is_head = method == DavMethod::Head;
                self.files.get(&state, request.headers(), is_head).await
            }
            DavMethod::Put => self.pass_on(request, state).await,
            _ => {
                let request = read_xml(request).await?;
                self.pass_on(request, state).await
            }
        }
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
        let mut answer = answer.map(|body| {
            response::boxed(CompleteBody {
                body: Some(body),
                request: state.clone(),
            })
        });
        if state.method == DavMethod::Options {
            let classes = match self.writes {
                true => "1, 2",
                false => "1",
            };
            let headers = answer.headers_mut();
            headers.insert("dav", HeaderValue::from_static(classes));
        }
        Ok(answer)
    }
}

/// The location of the target. One that no file can have does not exist.
fn target(path: &str, method: DavMethod) -> Result<Location, Failure> {
    let path = DavPath::new(path)
        .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "the path of the URL is not valid"))?;
    Location::parse(&path).map_err(|invalid| {
        let creates = matches!(method, DavMethod::Put | DavMethod::MkCol | DavMethod::Lock);
        match creates {
            true => Failure::of_location(invalid),
            false => Failure::new(StatusCode::NOT_FOUND, "no such file or folder"),
        }
    })
}

/// Rejects changes of the whole context, which `dav-server` would begin.
fn protect_root<B>(method: DavMethod, request: &http::Request<B>) -> Result<(), Failure> {
    let is_root = |path: &str| {
        let path = DavPath::new(path).map(|path| Location::parse(&path));
        matches!(path, Ok(Ok(Location::Root)))
    };
    let transfers = matches!(method, DavMethod::Copy | DavMethod::Move);
    let destination = request.headers().get("destination");
    let destination = destination.and_then(|value| value.to_str().ok()?.parse::<http::Uri>().ok());
    let replaces = transfers && destination.is_some_and(|uri| is_root(uri.path()));
    let removes = matches!(method, DavMethod::Delete | DavMethod::Move);
    match replaces || (removes && is_root(request.uri().path())) {
        true => Err(Failure::new(
            StatusCode::FORBIDDEN,
            "the root folder can't be deleted, moved or replaced",
        )),
        false => Ok(()),
    }
}

/// Rejects headers that `dav-server` would ignore, so that a write has the conditions that the client intends.
fn check_headers(method: DavMethod, headers: &HeaderMap) -> Result<(), Failure> {
    let invalid = |message: &str| Err(Failure::new(StatusCode::BAD_REQUEST, message));
    let conditions = [
        header::IF_MATCH.as_str(),
        header::IF_NONE_MATCH.as_str(),
        header::IF_UNMODIFIED_SINCE.as_str(),
        "if",
        "overwrite",
    ];
    let mut values = conditions.iter().flat_map(|name| headers.get_all(*name));
    if values.any(|value| value.to_str().is_err()) {
        return invalid("a condition is not ASCII");
    }
    if method == DavMethod::Put && headers.contains_key(header::CONTENT_RANGE) {
        return invalid("a part of a file can't be written");
    }
    Ok(())
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
        Some(depth) if depth.as_bytes().eq_ignore_ascii_case(b"infinity") => {
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
async fn read_xml<B>(request: http::Request<B>) -> Result<http::Request<Full<Bytes>>, Failure>
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
    match xml_depth::is_shallow(body.chunk()) {
        true => Ok(http::Request::from_parts(head, Full::new(body))),
        false => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "the elements of the XML are nested too deeply",
        )),
    }
}

/// A body that ends with an error if an operation has failed after the response started. `dav-server` ends a listing that
/// fails as if it were complete.
struct CompleteBody {
    /// `None` after its end.
    body: Option<dav_server::body::Body>,
    request: Request,
}

impl HttpBody for CompleteBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if let Some(failure) = self.request.failure() {
            tracing::warn!("a response ended early: {}", failure.message);
            self.body = None;
            return Poll::Ready(Some(Err(io::Error::other(failure.message))));
        }
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }
}
