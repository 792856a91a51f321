//! What is said of one kind of refusal? The rows of the public table, and those that only the admin API says.

/// One row of the public table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// The `code` member and the last part of the `type` URL.
    pub name: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// The `detail` when the stage has nothing more precise to say.
    pub detail: &'static str,
    /// What the caller can do about it.
    pub remedy: &'static str,
}

/// What only the admin API says, in the order of the documentation.
pub const ADMIN_ONLY: &[Row] = &[
    Row {
        name: "key_not_found",
        status: 404,
        title: "No such key",
        detail: "There is no API key with this id.",
        remedy: "List the keys; an id is the part of a key between its second and third underscore.",
    },
    Row {
        name: "key_revoked",
        status: 409,
        title: "Key revoked",
        detail: "The key is revoked, for good.",
        remedy: "Make another key.",
    },
    Row {
        name: "idempotency_conflict",
        status: 409,
        title: "Idempotency conflict",
        detail: "A request with this `Idempotency-Key` is under way, or its answer was lost.",
        remedy: "Send it again in a moment; where `detail` says that the answer was lost, see what there is first.",
    },
    Row {
        name: "revocation_not_found",
        status: 404,
        title: "No such revocation",
        detail: "There is no revocation with this id.",
        remedy: "List the revocations; one that has ended is forgotten.",
    },
    Row {
        name: "session_not_found",
        status: 404,
        title: "No such session",
        detail: "There is no session with this id.",
        remedy: "List the sessions; one that has ended is forgotten.",
    },
    Row {
        name: "precondition_failed",
        status: 412,
        title: "Precondition failed",
        detail: "It has changed since: `If-Match` names another version than there is now.",
        remedy: "Read it again, look at what has changed, and send the `ETag` you get then.",
    },
    Row {
        name: "precondition_required",
        status: 428,
        title: "Precondition required",
        detail: "This gateway wants every change to name the version it is meant for (`admin.if_match`).",
        remedy: "Read it, and send its `ETag` in `If-Match`; `*` is whatever there is.",
    },
    Row {
        name: "idempotency_key_reused",
        status: 422,
        title: "Idempotency key reused",
        detail: "This `Idempotency-Key` was sent with another request.",
        remedy: "Send another key with another request.",
    },
    Row {
        name: "config_refused",
        status: 422,
        title: "Configuration refused",
        detail: "The files do not hold together, and the old configuration stays in force.",
        remedy: "Mend what `errors` names, by file, line and column; `portcullis check` says the same.",
    },
    Row {
        name: "backup_not_found",
        status: 404,
        title: "No such backup",
        detail: "There is no backup of this name.",
        remedy: "List the backups of this machine.",
    },
    Row {
        name: "backup_exists",
        status: 409,
        title: "Backup exists",
        detail: "There is a backup of this name, and none is written over.",
        remedy: "Choose another name, or leave it out: then it is named after the time.",
    },
    Row {
        name: "backups_full",
        status: 409,
        title: "Too many backups",
        detail: "The folder holds as many backups as `store.max_backups` allows.",
        remedy: "Remove some, or send `keep`: then the oldest beyond that number are removed.",
    },
    Row {
        name: "backup_disturbed",
        status: 409,
        title: "Backup disturbed",
        detail: "The store was changed again and again while it was copied.",
        remedy: "Try again when fewer changes are made; a Redis store can be copied by its own means, too.",
    },
    Row {
        name: "config_from_files",
        status: 409,
        title: "Files decide",
        detail: "The configuration in force is that of the files of each machine.",
        remedy: "Change the files, which are read at once; or set `control.source = \"store\"` and restart. A rollback works with both.",
    },
    Row {
        name: "revision_not_found",
        status: 404,
        title: "No such revision",
        detail: "There is no revision of this number, or none any more.",
        remedy: "List the revisions; `control.revisions` says how many are kept.",
    },
    Row {
        name: "revision_too_large",
        status: 409,
        title: "Revision too large",
        detail: "The texts of the revision were too large to be kept.",
        remedy: "Texts of up to 8 MiB that deflate to 750 KiB are kept; split large schemas off, or keep the files themselves.",
    },
    Row {
        name: "policies_refused",
        status: 422,
        title: "Policies refused",
        detail: "The policies that were sent do not hold together.",
        remedy: "Mend what `errors` names, by file, line and column.",
    },
    Row {
        name: "outcome_unknown",
        status: 503,
        title: "Outcome unknown",
        detail: "The store did not answer: whether the change was made is not known.",
        remedy: "See what there is before you ask for it again.",
    },
];
