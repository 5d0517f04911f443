package image

import (
	"maps"
	"slices"

	"virga/core/db"
)

// listImages appends the page that q asks for to images.
func listImages(tx *db.Tx, images *[]image, q listQuery) error {
	l := &db.List{From: "images", Key: "id", Order: q.order, Marker: q.marker, LooseMarker: true, Limit: q.limit}
	whereVisible(l, q)
	for _, c := range q.conditions {
		switch c.op {
		case "in":
			db.WhereIn(l, c.column, c.values)
		case "outside": // of the half-open range of two values
			l.Where("("+c.column+" < ? OR "+c.column+" >= ?)", c.values...)
		default:
			l.Where(c.column+" "+c.op+" ?", c.values...)
		}
	}
	for _, tag := range q.tags {
		l.Where("EXISTS (SELECT 1 FROM image_tags t WHERE t.image_id = images.id AND t.tag = ?)", tag)
	}
	for _, name := range slices.Sorted(maps.Keys(q.properties)) {
		l.Where("EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = images.id AND p.name = ? AND p.value = ?)", name, q.properties[name])
	}
	return tx.List(images, l)
}

// whereVisible leaves the images that the caller sees: its own, public ones, those shared
// with it, and community images of others only when it asks for them.
func whereVisible(l *db.List, q listQuery) {
	if !q.seeAll {
		// Each branch has an index; an OR would have the engine walk the images of all projects.
		shared := "SELECT i.id FROM image_members m JOIN images i ON i.id = m.image_id WHERE i.visibility = 'shared' AND m.member_id = ?"
		args := []any{q.project, q.project}
		if q.memberStatus != "all" {
			shared += " AND m.status = ?"
			args = append(args, q.memberStatus)
		}
		l.Where("id IN (SELECT id FROM (SELECT id FROM images WHERE owner = ?"+
			" UNION ALL SELECT id FROM images WHERE visibility IN ('public', 'community') UNION ALL "+shared+") AS seen)", args...)
	}
	switch q.visibility {
	case "":
		l.Where("(owner = ? OR visibility <> 'community')", q.project)
	case "all":
	default:
		l.Where("visibility = ?", q.visibility)
	}
}
