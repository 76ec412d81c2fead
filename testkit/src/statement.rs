//! The statements of `chinwag::db` that an object runs, recognised by their input, and the answer to a projection.
//! Not here: SQL, and what a statement does (`FakePostgres`, `Membership`).

use chinwag::db::{ChangeSet, DbError, PageBounds, Projected, Projection, RoomCopy};
use chinwag::ids::Seq;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A statement with its input.
#[derive(Debug)]
pub enum Statement {
    Project(Box<Projection>),
    Apply(Box<ChangeSet>),
    /// `db::apply` of a deletion, planned for this version.
    MarkDeleted {
        version: u64,
    },
    /// `db::erase_room`.
    Erase,
    /// `db::restore_room`.
    Restore(Box<RoomCopy>),
    /// `db::messages_after`.
    MessagesAfter {
        after: Seq,
        bounds: PageBounds,
    },
    /// `db::count_file`.
    CountFile {
        file: String,
    },
    /// `db::release_files`.
    ReleaseFiles {
        files: Vec<String>,
    },
    /// `db::meeting`: everybody may meet everybody.
    Meeting,
    /// `db::begin_inbox_lease`, `db::write_presence`, or with 0 `db::end_inbox_lease`.
    LeaseInbox {
        user: String,
        lease_ms: u64,
        presence: Option<String>,
        partners: Vec<String>,
    },
    /// `db::list_rooms`.
    ListRooms {
        user: String,
    },
    /// `db::inbox_rooms`.
    InboxRooms {
        user: String,
        rooms: Vec<String>,
        people: Vec<String>,
        /// What is asked of saved messages: the change after which they are, or null.
        saved: Option<Value>,
        /// What there is to notify of, in these rooms.
        notices: Vec<Value>,
    },
    /// `db::set_saved`.
    SetSaved {
        user: String,
        message: String,
        saved: bool,
    },
    /// `db::set_block`.
    SetBlock {
        user: String,
        other: String,
        blocked: bool,
    },
    /// `db::people_by_id`.
    PeopleById {
        ids: Vec<String>,
    },
    /// `db::put_people`; `deactivated`: what it sets of that, if it does.
    PutPeople {
        ids: Vec<String>,
        deactivated: Option<bool>,
    },
    /// `db::end_sessions`; `begin`: its first step.
    EndSessions {
        person: String,
        begin: bool,
    },
    /// `db::account`.
    Account {
        person: String,
    },
    /// `db::access`.
    Access {
        user: String,
    },
    /// `db::room_snapshot`; `known` is the members version that the room has.
    Snapshot {
        known: u64,
    },
}

impl Statement {
    /// # Errors  the input of a statement that isn't known here.
    pub fn parse(input: &Value) -> Result<Self, DbError> {
        let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
        Ok(if let Some(saved) = input["saved"].as_bool() {
            Self::SetSaved { user: text("user"), message: text("message"), saved }
        } else if let Some(blocked) = input["blocked"].as_bool() {
            Self::SetBlock { user: text("user"), other: text("other"), blocked }
        } else if input["onlyShared"].is_boolean() && input["ids"].is_array() {
            Self::PeopleById { ids: decode(&input["ids"])? }
        } else if input["by"].is_string() && input["people"].is_array() {
            let people = || input["people"].as_array().into_iter().flatten();
            let ids = people().filter_map(|one| one["userId"].as_str().map(str::to_owned)).collect();
            Self::PutPeople { ids, deactivated: people().find_map(|one| one["set"]["deactivated"].as_bool()) }
        } else if let (Some(begin), true) = (input["begin"].as_bool(), input["person"].is_string()) {
            Self::EndSessions { person: text("person"), begin }
        } else if input["person"].is_string() {
            Self::Account { person: text("person") }
        } else if input["messages"].is_array() {
            Self::Project(Box::new(decode(input)?))
        } else if input["put"].is_array() {
            Self::Apply(Box::new(decode(input)?))
        } else if let Some(version) = input["deleteVersion"].as_u64() {
            Self::MarkDeleted { version }
        } else if input["rowsMax"].is_u64() {
            Self::Erase
        } else if input["members"].is_array() {
            Self::Restore(Box::new(decode(input)?))
        } else if let Some(after) = input["after"].as_u64() {
            let bound = |name: &str| input[name].as_u64().unwrap_or(0);
            Self::MessagesAfter {
                after,
                bounds: PageBounds { count: bound("countMax"), bytes: bound("bytesMax") },
            }
        } else if let (Some(file), true) = (input["file"].as_str(), input["bytesMax"].is_u64()) {
            Self::CountFile { file: file.to_owned() }
        } else if input["released"].is_array() {
            Self::ReleaseFiles { files: decode(&input["released"])? }
        } else if input["knownOnly"].is_boolean() {
            Self::Meeting
        } else if let (Some(user), Some(lease_ms)) = (input["user"].as_str(), input["leaseMs"].as_u64()) {
            let presence = input["presence"].as_str().map(str::to_owned);
            let partners = decode(&input["partners"]).unwrap_or_default();
            Self::LeaseInbox { user: user.to_owned(), lease_ms, presence, partners }
        } else if let (Some(user), true) = (input["user"].as_str(), input["rooms"].is_array()) {
            let (rooms, people) = (decode(&input["rooms"])?, decode(&input["people"])?);
            Self::InboxRooms {
                user: user.to_owned(),
                rooms,
                people,
                saved: input["saved"].get("after").cloned(),
                notices: decode(&input["notices"])?,
            }
        } else if let (Some(user), true) = (input["user"].as_str(), input["fewMax"].is_u64()) {
            Self::ListRooms { user: user.to_owned() }
        } else if let Some(user) = input["user"].as_str() {
            Self::Access { user: user.to_owned() }
        } else {
            Self::Snapshot { known: input["known"].as_u64().unwrap_or(u64::MAX) }
        })
    }
}

fn decode<T: DeserializeOwned>(input: &Value) -> Result<T, DbError> {
    T::deserialize(input).map_err(|error| DbError { sqlstate: None, message: error.to_string() })
}

/// A projection's answer in the shape that the statement gives.
pub fn encode_projected(projected: Projected) -> Value {
    let (state, last_seq, version, epoch, conflicts) = match projected {
        Projected::Done { last_seq, members_version, epoch, conflicts, .. } => {
            ("done", last_seq, members_version, epoch, conflicts)
        }
        Projected::Behind { last_seq, members_version, epoch } => {
            ("behind", last_seq, members_version, epoch, Vec::new())
        }
        Projected::Ahead { last_seq, members_version, epoch, conflicts, .. } => {
            ("ahead", last_seq, members_version, epoch, conflicts)
        }
        Projected::Missing => return json!({"state": "missing"}),
    };
    json!({"state": state, "lastSeq": last_seq, "membersVersion": version, "epoch": epoch, "conflicts": conflicts})
}
