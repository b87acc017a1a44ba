//! A shop whose money moves only for people who proved who they are a moment ago.
//!
//! Knows: what it demands for what it does. Must never know: passwords, codes, or what a token looks like.
#![allow(clippy::print_stdout, reason = "whoever starts it is told where it listens")]

use std::env;
use std::error::Error;
use std::fs;

use axum::Json;
use axum::routing::{delete, get, post};
use countersign_client::Server;
use countersign_client::guard::{Application, Elevated, Guard, Posture, Routes, Session, Trust};
use serde_json::{Value, json};
use tokio::net::TcpListener;

fn guard() -> Result<Guard, Box<dyn Error>> {
    let issuer = env::var("COUNTERSIGN_ISSUER")?;
    let url = env::var("COUNTERSIGN_URL").unwrap_or(issuer.clone());
    let server = Server::new(&url, &fs::read_to_string(env::var("COUNTERSIGN_CA_FILE")?)?)?;
    let secret = fs::read_to_string(env::var("COUNTERSIGN_SECRET_FILE")?)?;
    let application = Application::new(&env::var("COUNTERSIGN_APPLICATION")?, secret.trim())?;
    let trust = Trust::new(server, application, &issuer);
    if env::var("COUNTERSIGN_MODE").is_ok_and(|mode| mode == "introspect") {
        return Ok(Guard::online(trust));
    }
    let (guard, feed) = Guard::by_feed(trust);
    tokio::spawn(feed);
    Ok(guard)
}

fn routes(guard: Guard) -> Routes {
    let publisher = Posture::elevated().claim("publisher", true);
    Routes::new(guard)
        .public("/", get(front))
        .signed_in("/profile", get(profile))
        .elevated("/payment/transfer", post(transfer))
        .route("/publisher/earnings", publisher, delete(withdraw))
}

async fn front() -> Json<Value> {
    Json(json!({ "shop": "open" }))
}

async fn profile(who: Session) -> Json<Value> {
    Json(json!({ "name": who.name(), "groups": who.groups() }))
}

async fn transfer(_: Elevated) -> Json<Value> {
    Json(json!({ "status": "transfer initiated" }))
}

async fn withdraw() -> Json<Value> {
    Json(json!({ "withdrawn": true }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or("3000".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, routes(guard()?).into_make_service()).await?)
}
