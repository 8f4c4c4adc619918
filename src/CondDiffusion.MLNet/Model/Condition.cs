namespace CondDiffusion.MLNet.Model;

/// <summary>What decides a row's image, apart from the model.</summary>
/// <param name="Label">
/// The label row, or <see cref="Network.LabelRow.None"/> to generate without a label. Null if the row has no label and
/// the network needs one.
/// </param>
/// <param name="NoiseKey">The row's id or seed, which decides its noise together with the model's seed.</param>
/// <param name="Guidance">The scale of classifier-free guidance. 1 is no guidance.</param>
internal readonly record struct Condition(int? Label, UInt128 NoiseKey, float Guidance);
