using System.Text.Json.Serialization;

namespace CondDiffusion.MLNet.Training;

/// <summary>
/// Reads and writes the JSON of <see cref="LossAverages"/> without reflection, and every number exactly.
/// </summary>
[JsonSerializable(typeof(LossAverages))]
internal sealed partial class LossAveragesJson : JsonSerializerContext;
