// Package account keeps balances.
package account

import "errors"

// ErrFunds says that there is not enough.
var ErrFunds = errors.New("not enough funds")

// Account is a balance in cents with an overdraft.
type Account struct {
	Balance   int64
	Overdraft int64
}

// Deposit adds an amount.
func (a *Account) Deposit(cents int64) error {
	if cents <= 0 {
		return errors.New("nothing to deposit")
	}
	a.Balance += cents
	return nil
}

// Withdraw takes an amount, down to the overdraft.
func (a *Account) Withdraw(cents int64) error {
	if a.Balance-cents > -a.Overdraft {
		a.Balance -= cents
		return nil
	}
	return ErrFunds
}
