package image

type memberCreateBody struct {
	Member string `json:"member"`
}

type memberUpdateBody struct {
	Status string `json:"status"`
}

type memberView struct {
	MemberID  string `json:"member_id"`
	ImageID   string `json:"image_id"`
	Status    string `json:"status"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
	Schema    string `json:"schema"`
}

type membersView struct {
	Members []memberView `json:"members"`
	Schema  string       `json:"schema"`
}

func viewMember(m member) memberView {
	return memberView{m.MemberID, m.ImageID, m.Status, isoTime(m.CreatedAt), isoTime(m.UpdatedAt), "/v2/schemas/member"}
}
