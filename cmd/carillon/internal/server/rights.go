package server

import "go.uber.org/zap"

// rightsObserver logs what a change of rules or keys did to the streams.
type rightsObserver struct{ logger *zap.Logger }

func (o rightsObserver) RightsChanged(ended int, err error) {
	switch {
	case err != nil:
		o.logger.Error("streams could not be checked against the new rights", zap.Error(err))
	case ended > 0:
		o.logger.Info("streams ended: their rights have changed", zap.Int("streams", ended))
	}
}
