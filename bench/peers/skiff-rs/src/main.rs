//! One member of a skiff-rs cluster, to be measured beside skiff-ts: `skiff-rs-member DIR PORT ADDRESS [JOIN]`.
//! Clients speak to it over the gRPC that the crate itself serves. Says how many members it knows and which
//! part it plays, whenever that changes. Runs until it is ended.

use skiff_rs::{Builder, Skiff};
use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const WATCH_INTERVAL: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, port, address, join @ ..] = words.as_slice() else {
        return Err("usage: skiff-rs-member DIR PORT ADDRESS [JOIN]".into());
    };
    let join: Vec<Ipv4Addr> = join
        .iter()
        .map(|word| word.parse())
        .collect::<Result<_, _>>()?;
    let member = Builder::new()
        .set_dir(dir)
        .bind(address.parse()?)
        .port(port.parse()?)
        .join_cluster(join)
        .build()?;
    tokio::spawn(report_reigns(member.clone()));
    Ok(member.start().await?)
}

/// A line whenever this member plays another part, has another leader, or knows more members.
async fn report_reigns(member: Skiff) {
    let mut known = None;
    loop {
        let members = member.get_cluster().await.map_or(0, |all| all.len());
        let now = Some((members, member.get_election_state().await));
        if now != known && member.is_leader_elected().await {
            println!("{members} members, {:?}", member.get_election_state().await);
            known = now;
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
