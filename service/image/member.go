package image

import (
	"context"
	"errors"
	"time"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/feed"
)

// The states of a membership, in the Image API's words.
const (
	memberPending  = "pending"
	memberAccepted = "accepted"
	memberRejected = "rejected"
)

// member is a project that an image is shared with.
type member struct {
	ImageID   string    `db:"image_id"`
	MemberID  string    `db:"member_id"` // a project
	Status    string    `db:"status"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// memberTarget is a member of an image that the caller sees.
type memberTarget struct {
	image  *image
	member member
}

// PolicyTarget implements api.Target; member_id is the member's, whoever asks.
func (m *memberTarget) PolicyTarget() authz.Target {
	target := m.image.PolicyTarget()
	target["member_id"] = m.member.MemberID
	return target
}

// HiddenError implements api.Hidden: a member does not learn who the others are.
func (m *memberTarget) HiddenError() error {
	if m.member.MemberID == m.image.callerMember {
		return nil
	}
	return errNoMember(m.member.ImageID, m.member.MemberID)
}

func errNoMember(imageID, memberID string) error {
	return api.NotFound("%s not found in the member list of the image %s.", memberID, imageID)
}

// errNotShared is the answer where an image's visibility leaves no place for members.
func errNotShared(doing, imageID string) error {
	return api.Forbidden("Not allowed to %s image %s: Only shared images have members.", doing, imageID)
}

// loadMember finds the member of the path through its image.
func (s *Service) loadMember(ctx context.Context, r *api.Request) (api.Target, error) {
	img, err := s.visibleImage(ctx, r, r.Param("image_id"))
	if err != nil {
		return nil, err
	}
	target := &memberTarget{image: img}
	err = s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		target.member, err = findMember(tx, img.ID, r.Param("member_id"))
		return err
	})
	if errors.Is(err, db.ErrNotFound) || err == nil && img.Visibility != visibilityShared {
		return nil, errNoMember(img.ID, r.Param("member_id"))
	}
	if err != nil {
		return nil, err
	}
	return target, nil
}

func (s *Service) memberList(ctx context.Context, r *api.Request) (any, error) {
	img := api.Loaded[*image](r)
	if img.Visibility != visibilityShared {
		return nil, errNotShared("list members for", img.ID)
	}
	var members []member
	err := s.deps.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		members, err = listMembers(tx, img.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	view := membersView{Members: []memberView{}, Schema: "/v2/schemas/members"}
	for _, m := range members {
		if r.Can("get_member", (&memberTarget{img, m}).PolicyTarget()) {
			view.Members = append(view.Members, viewMember(m))
		}
	}
	return view, nil
}

func (s *Service) memberCreate(ctx context.Context, r *api.Request) (any, error) {
	loaded := api.Loaded[*image](r)
	var body memberCreateBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	now := s.deps.Clock.Now()
	m := member{ImageID: loaded.ID, MemberID: body.Member, Status: memberPending, CreatedAt: now, UpdatedAt: now}
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		img, err := findImage(tx, m.ImageID)
		if err != nil {
			return err
		}
		if img.Visibility != visibilityShared {
			return errNotShared("create members for", m.ImageID)
		}
		n, err := countMembers(tx, m.ImageID)
		if err != nil {
			return err
		}
		if n >= maxLabels {
			return errLimit("members", n+1)
		}
		if err := insertMember(tx, m); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{ID: m.ImageID, Action: "member.create", OwnerProjectID: img.Owner, After: viewMember(m)})
	})
	switch {
	case errors.Is(err, db.ErrDuplicate):
		return nil, api.Conflict("Member %s is duplicated for image %s", m.MemberID, m.ImageID)
	case errors.Is(err, db.ErrNotFound):
		return nil, errNoImage(m.ImageID)
	case err != nil:
		return nil, err
	}
	return viewMember(m), nil
}

func (s *Service) memberShow(_ context.Context, r *api.Request) (any, error) {
	return viewMember(api.Loaded[*memberTarget](r).member), nil
}

func (s *Service) memberUpdate(ctx context.Context, r *api.Request) (any, error) {
	m := api.Loaded[*memberTarget](r).member
	var body memberUpdateBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	was := m
	m.Status, m.UpdatedAt = body.Status, s.deps.Clock.Now()
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		img, err := findImage(tx, m.ImageID)
		if err != nil {
			return err
		}
		if err := updateMember(tx, m); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{ID: m.ImageID, Action: "member.update", OwnerProjectID: img.Owner, Before: viewMember(was), After: viewMember(m)})
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoMember(m.ImageID, m.MemberID)
	}
	if err != nil {
		return nil, err
	}
	return viewMember(m), nil
}

func (s *Service) memberDelete(ctx context.Context, r *api.Request) (any, error) {
	m := api.Loaded[*memberTarget](r).member
	err := s.deps.DB.Write(ctx, func(tx *db.Tx) error {
		img, err := findImage(tx, m.ImageID)
		if err != nil {
			return err
		}
		if err := deleteMember(tx, m); err != nil {
			return err
		}
		return s.record(tx, r, feed.Change{ID: m.ImageID, Action: "member.delete", OwnerProjectID: img.Owner, Before: viewMember(m)})
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNoMember(m.ImageID, m.MemberID)
	}
	return nil, err
}
