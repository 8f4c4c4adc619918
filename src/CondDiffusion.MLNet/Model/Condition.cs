namespace CondDiffusion.MLNet.Model;

/// <summary>What a row's picture depends on, beside the model.</summary>
/// <param name="Label">Row of the label table, -1 to draw without a label; null where the row has none and the network needs one.</param>
/// <param name="Noise">The row's id or seed.</param>
/// <param name="Guidance">The scale of classifier-free guidance; 1 for none.</param>
internal readonly record struct Condition(int? Label, UInt128 Noise, float Guidance);
