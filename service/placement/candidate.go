package placement

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"virga/core/api"
)

// candidateList finds where what is asked for could be allocated. Nothing is promised by
// it: whoever allocates next takes the room.
func (s *Service) candidateList(ctx context.Context, r *api.Request) (any, error) {
	query, err := readCandidateQuery(r)
	if err != nil {
		return nil, err
	}
	var body candidatesView
	err = s.image.look(ctx, func(known *forest) error {
		if err := query.checkNames(s.names, known); err != nil {
			return err
		}
		found := newSearch(ctx, known, &query)
		if err := found.run(); err != nil {
			return err
		}
		body.write(r, &query, found.found)
		return nil
	})
	if err != nil {
		return nil, err
	}
	header := s.ageHeader(r, time.Time{})
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(body.text.Len()))
	return &api.Response{Status: http.StatusOK, Header: header, Stream: io.NopCloser(&body.text)}, nil
}
