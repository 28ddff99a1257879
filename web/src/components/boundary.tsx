import { Component, type ReactNode } from "react";
import { Fault } from "./states";

/** A view that fails shows why; the rest of the page goes on. */
export class Boundary extends Component<{ children: ReactNode }, { fault: unknown }> {
  override state: { fault: unknown } = { fault: null };

  static getDerivedStateFromError(fault: unknown) {
    return { fault };
  }

  override render() {
    if (this.state.fault !== null) return <Fault fault={this.state.fault} retry={() => this.setState({ fault: null })} />;
    return this.props.children;
  }
}
