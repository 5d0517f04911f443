package compute

import "virga/core/work"

// Engine lets the proofs see every kind that the service has registered.
func (s *Service) Engine() *work.Engine { return s.engine }
