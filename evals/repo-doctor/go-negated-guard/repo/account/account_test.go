package account

import (
	"errors"
	"testing"
)

func TestDeposit(t *testing.T) {
	a := Account{}
	if err := a.Deposit(500); err != nil || a.Balance != 500 {
		t.Fatalf("%v %d", err, a.Balance)
	}
	if a.Deposit(-1) == nil {
		t.Fatal("a negative deposit was taken")
	}
}

func TestWithdraw(t *testing.T) {
	a := Account{Balance: 100, Overdraft: 50}
	if err := a.Withdraw(150); err != nil {
		t.Fatal(err)
	}
	if err := a.Withdraw(1); !errors.Is(err, ErrFunds) {
		t.Fatal(err)
	}
}

func TestWithdrawLittle(t *testing.T) {
	a := Account{Balance: 100}
	if err := a.Withdraw(40); err != nil || a.Balance != 60 {
		t.Fatalf("%v %d", err, a.Balance)
	}
}
