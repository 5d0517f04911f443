package compute

import "slices"

// askIsolation keeps isolated images on isolated hosts and, unless the settings say otherwise, other servers away from these
// (isolated_hosts_filter.py).
func askIsolation(sc *scheduler, q *question) hostJudge {
	image := q.imageID != "" && slices.Contains(sc.IsolatedImages, q.imageID)
	restrict := !sc.SharedIsolatedHosts
	if !image && !restrict {
		return nil
	}
	return func(c *candidate) miss {
		host := slices.Contains(sc.IsolatedHosts, c.name)
		switch {
		case image && !host:
			return miss{text: "it is not one of the hosts that the image is kept to"}
		case !image && host && restrict:
			return miss{text: "it is kept for other images"}
		}
		return miss{}
	}
}
