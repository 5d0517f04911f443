package orders

// Moved is the wish that a running guest go over to the host that GuestOrder.Move names.
const Moved Desired = "moved"

// The states of a guest that moves while it runs. StateMoving comes with Progress and settles nothing; StateMoved is a guest
// that runs on the other host.
const (
	StateMoving State = "moving"
	StateMoved  State = "moved"
)

// Move names the host that a running guest goes to.
type Move struct {
	ToHost string `json:"to_host"`
	// URL is ToHost's Host.TransferURL.
	URL string `json:"url"`
	// Secret is good for this guest, this pair of hosts and this migration.
	Secret Secret `json:"secret"`
	// Recall says that the guest is to stay, and that ToHost is to be asked whether it has left already.
	Recall bool `json:"recall,omitempty"`
	// Lost says that ToHost is declared down: nobody need ask it, and it runs nothing.
	Lost bool `json:"lost,omitempty"`
}

// Arrive names who may bring a running guest.
type Arrive struct {
	FromHost string `json:"from_host"`
	// SecretSHA256 is the digest, in hexadecimal, of the secret that FromHost brings along.
	SecretSHA256 string `json:"secret_sha256"`
}

// Progress is how far a migration is, in bytes, in the terms of the server migrations API.
type Progress struct {
	MemoryTotal     int64 `json:"memory_total_bytes"`
	MemoryProcessed int64 `json:"memory_processed_bytes"`
	MemoryRemaining int64 `json:"memory_remaining_bytes"`
	DiskTotal       int64 `json:"disk_total_bytes"`
	DiskProcessed   int64 `json:"disk_processed_bytes"`
	DiskRemaining   int64 `json:"disk_remaining_bytes"`
}

// QuestionHasten is the bus question that has a migration at work end soon, however long the guest stands still for that; its
// body is a HastenQuestion in JSON, its answer is empty.
const QuestionHasten = "hasten_migration"

// ErrNoMigration is the text with which an agent answers that no migration of the guest is at work.
const ErrNoMigration = "no migration of that guest is at work on this host"

// HastenQuestion names the guest whose migration is to end soon.
type HastenQuestion struct {
	ServerID string `json:"server_id"`
}
