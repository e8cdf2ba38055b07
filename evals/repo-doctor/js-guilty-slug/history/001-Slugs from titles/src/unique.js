export class Names {
  take(name) {
    return name;
  }
}
